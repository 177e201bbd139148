"""Clipping: fewer outliers, so that integers need not stretch over them."""

import copy
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.layers import weights
from bigmodel.compression.step import Step, Unsupported
from bigmodel.compression.tune import tune
from bigmodel.compression.work import Work
from bigmodel.data.batch import ask

__all__ = ["Clip"]

_ROWS = 4096


class ClippedReLU(nn.Module):
    """min(max(x, 0), a); with `bits`, rounded to as many while it trains, and `a` is learnt (PACT).

    Choi et al. 2018, arXiv 1805.06085: the gradient of `a` is that of the values above it.
    """

    def __init__(self, most: float, bits: int | None) -> None:
        super().__init__()
        self.most = nn.Parameter(torch.tensor(most))
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        """Activations of any shape, to the same."""
        most = self.most if self.bits is not None else self.most.detach()
        clipped: Tensor = torch.minimum(torch.relu(x), most)
        if self.bits is None or not self.training:
            return clipped
        step = most.detach().clamp(min=1e-6) / (2**self.bits - 1)
        result: Tensor = ((clipped / step).round() * step - clipped).detach() + clipped
        return result


@dataclass(frozen=True)
class Clip(Step):
    """Activations after ReLU, and weights, that stay below a bound.

    `activations`: `relu6` (at most 6), `percentile` (at most the quantile `quantile` of each layer
    on training rows), `pact` (learnt, starting there, in `epochs` of training with activations of
    `bits` bits), or `none`. `weights`: each layer's are clipped to this quantile of their size;
    1 leaves them.
    """

    trains: ClassVar[bool] = True

    activations: Literal["relu6", "percentile", "pact", "none"] = "percentile"
    quantile: Annotated[float, Gt(0.5), Le(1)] = 0.999
    weights: Annotated[float, Gt(0.5), Le(1)] = 1.0
    bits: Annotated[int, Ge(2), Le(8)] = 4
    epochs: Annotated[int, Gt(0)] = 5
    lr: Annotated[float, Gt(0), Lt(1)] = 5e-4

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The network with bounds."""
        network = copy.deepcopy(candidate.network)
        rectified = {n: m for n, m in network.named_modules() if type(m) is nn.ReLU}
        if self.activations != "none":
            if not rectified:
                raise Unsupported("it has no ReLU that is a layer of its own")
            self._bound(network, rectified, work)
        with torch.no_grad():
            for layer in weights(network).values() if self.weights < 1 else ():
                most = torch.quantile(layer.weight.abs().flatten().double(), self.weights)  # type: ignore[operator]
                layer.weight.clamp_(-float(most), float(most))  # type: ignore[operator]
        if self.activations == "pact":
            tune(network, work, name, epochs=self.epochs, lr=self.lr)
        return candidate.with_network(network)

    def _bound(self, network: nn.Module, rectified: dict[str, nn.ReLU], work: Work) -> None:
        bounds = dict.fromkeys(rectified, 6.0)
        if self.activations != "relu6":
            bounds = _quantiles(network, rectified, work, self.quantile)
        for name, most in bounds.items():
            parent, _, last = name.rpartition(".")
            bits = self.bits if self.activations == "pact" else None
            setattr(network.get_submodule(parent), last, ClippedReLU(most, bits))

    def softer(self, candidate: Candidate) -> "Step | None":
        """A tenth of the clipped values, until next to none are left."""
        if self.activations == "relu6" or self.quantile > 0.9999:
            return None
        return replace(self, quantile=1 - (1 - self.quantile) / 10)

    def __str__(self) -> str:
        return f"{self.activations}, quantile {self.quantile:g}"


@torch.inference_mode()
def _quantiles(
    network: nn.Module, rectified: dict[str, nn.ReLU], work: Work, quantile: float
) -> dict[str, float]:
    """The quantile of what each ReLU gives on training rows; of those that are reached."""
    found: dict[str, float] = {}

    def noting(name: str) -> Any:
        def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
            at = max(1, round(quantile * output.numel()))
            found[name] = max(float(output.flatten().kthvalue(at).values), 1e-3)

        return note

    hooks = [module.register_forward_hook(noting(name)) for name, module in rectified.items()]
    rows = work.sample(_ROWS)
    ask(network.eval(), {name: torch.from_numpy(a) for name, a in rows.named().items()})
    for hook in hooks:
        hook.remove()
    return found
