"""Linear layers as two thin ones: W = A B, by the error that this makes in their outputs."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.step import Step, Unsupported
from bigmodel.compression.tune import tune
from bigmodel.compression.work import Work
from bigmodel.data.batch import ask
from bigmodel.data.encoder import Encoded

__all__ = ["LowRank"]

_ROWS = 2048
_DAMPING = 1e-4  # of the inputs' covariance, so that constant inputs do no harm
_SMALLEST_ERROR = 0.02


@dataclass(frozen=True)
class LowRank(Step):
    """Each linear layer gets the least rank whose output error is at most `error`, relatively.

    The singular values are those of W L, where L L' is the covariance of the layer's inputs on
    training rows: what counts is the output, not the weights (SVD-LLM, arXiv 2403.07378). Layers
    where that saves nothing stay. Then `epochs` of training, taught by the network as it was;
    0 for none.
    """

    trains: ClassVar[bool] = True

    error: Annotated[float, Gt(0), Lt(1)] = 0.15
    epochs: Annotated[int, Ge(0)] = 5
    lr: Annotated[float, Gt(0)] = 1e-3

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The network with thin layers."""
        network = copy.deepcopy(candidate.network)
        squares = covariances(network, work.sample(_ROWS))
        if not squares:
            raise Unsupported("it has no inner linear layer")
        thin = {n: factors(network.get_submodule(n), c, self.error) for n, c in squares.items()}  # type: ignore[arg-type]
        if not any(thin.values()):
            raise Unsupported(f"no layer gets smaller at an error of {self.error:g}")
        for layer, pair in thin.items():
            if pair is not None:
                parent, _, last = layer.rpartition(".")
                setattr(network.get_submodule(parent), last, pair)
        if self.epochs:
            tune(network, work, name, epochs=self.epochs, lr=self.lr)
        return candidate.with_network(network)

    def softer(self, candidate: Candidate) -> "Step | None":
        """Half the error."""
        return replace(self, error=self.error / 2) if self.error / 2 >= _SMALLEST_ERROR else None

    def __str__(self) -> str:
        return f"output error {self.error:.3g}"


@torch.inference_mode()
def covariances(network: nn.Module, rows: Encoded) -> dict[str, Tensor]:
    """E[x x'] of the inputs of each plain linear layer but the head, (in, in), by name."""
    found: dict[str, Tensor] = {}

    def adding(name: str) -> Callable[..., None]:
        def add(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            x = inputs[0].flatten(0, -2).double()
            found[name] = found.get(name, torch.zeros((), dtype=torch.float64)) + x.T @ x / len(x)

        return add

    hooks = [
        module.register_forward_pre_hook(adding(name))
        for name, module in network.named_modules()
        if type(module) is nn.Linear and name != "head"
    ]
    inputs = {name: torch.from_numpy(array) for name, array in rows.named().items()}
    ask(network.eval(), inputs)
    for hook in hooks:
        hook.remove()
    return found


@torch.no_grad()
def factors(layer: nn.Linear, covariance: Tensor, error: float) -> nn.Sequential | None:
    """Two linear layers for one, of the least rank within `error`; None when that is no gain.

    The relative error of the outputs at rank r is sqrt(sum_{i>r} s_i^2 / sum s_i^2).
    """
    weight = layer.weight.double()
    rows, columns = weight.shape
    damping = _DAMPING * covariance.diagonal().mean().clamp(min=1e-12)
    root = torch.linalg.cholesky(covariance + damping * torch.eye(columns, dtype=torch.float64))
    u, s, v = torch.linalg.svd(weight @ root, full_matrices=False)
    left_out = (s**2).flip(0).cumsum(0).flip(0) / (s**2).sum().clamp(min=1e-30)
    rank = max(1, int((left_out.sqrt() > error).sum()))
    if rank >= rows * columns / (rows + columns):
        return None
    first, second = nn.Linear(columns, rank, bias=False), nn.Linear(rank, rows)
    inverse = torch.linalg.solve_triangular(root, v[:rank], upper=False, left=False)
    first.weight.copy_(inverse)
    second.weight.copy_(u[:, :rank] * s[:rank])
    if layer.bias is None:
        second.bias = None
    else:
        second.bias.copy_(layer.bias)
    return nn.Sequential(first, second)
