"""A second stage after the fit: the features stay, the last layer is made anew or rescaled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol, cast

from annotated_types import Ge, Gt

from bigmodel.errors import UserError
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.posthoc import macro_f1
from bigmodel.weighting.rows import Rows
from bigmodel.weighting.sampling import ClassFirst
from bigmodel.weighting.strategy import PRIOR, Strategy

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bigmodel.data.batch import Batch

__all__ = ["CRT", "TauNorm"]

TAUS = [tau / 10 for tau in range(11)]
Batches = Iterable["Batch"]


class Stage(Protocol):
    """What is done to a fitted network's head."""

    @property
    def balances(self) -> bool:
        """Whether the new head was trained on classes of equal size."""

    def __call__(self, network: nn.Module, train: Batches, val: Batches, seed: int) -> str:
        """Change the head in place; returns a line that says what was done."""


@dataclass(kw_only=True)
class CRT(Strategy):
    """Trains the classifier again on balanced draws (Kang et al. 2020, arXiv 1910.09217).

    The extractor is frozen, its features are computed once; SGD from `lr` down to 0, by a cosine.
    """

    corrects: ClassVar[frozenset[str]] = frozenset({PRIOR})
    label: ClassVar[str] = "crt"

    epochs: Annotated[int, Gt(0)] = 10
    lr: Annotated[float, Gt(0)] = 0.1
    batch_size: Annotated[int, Gt(0)] = 64

    @property
    def balances(self) -> bool:
        """The new head sees all classes equally often."""
        return True

    def fit(self, rows: Rows) -> Plan:
        """The second stage."""
        rows.need_classes(self.label)
        return Plan(stage=self)

    def __call__(self, network: nn.Module, train: Batches, val: Batches, seed: int) -> str:
        """Replace the head by a new one, trained on the features of the training rows."""
        import torch
        from torch.nn import functional as F

        head = head_of(network, self.label)
        features, labels = _features(network, train)
        draws = ClassFirst(labels.numpy(), "balanced")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head.reset_parameters()
        generator = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.SGD(head.parameters(), self.lr, momentum=0.9, weight_decay=5e-4)
        steps = max(1, len(labels) // self.batch_size)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.epochs * steps)
        for epoch in range(self.epochs):
            for batch in draws.order(epoch, self.epochs, generator).tensor_split(steps):
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(F.cross_entropy(head(features[batch]), labels[batch]))
                optimizer.step()
                cosine.step()
        return f"crt: the last layer was trained again, {self.epochs} epochs on balanced draws"


@dataclass(kw_only=True)
class TauNorm(Strategy):
    """W_c / |W_c|^tau without a bias (Kang et al. 2020); tau tuned on validation unless given."""

    corrects: ClassVar[frozenset[str]] = frozenset({PRIOR})
    label: ClassVar[str] = "tau_norm"

    tau: Annotated[float, Ge(0)] | None = None

    @property
    def balances(self) -> bool:
        """No new training: what the answers stand for is left as it was."""
        return False

    def fit(self, rows: Rows) -> Plan:
        """What to do after the fit."""
        rows.need_classes(self.label)
        return Plan(stage=self)

    def __call__(self, network: nn.Module, train: Batches, val: Batches, seed: int) -> str:
        """Rescale the head's weights."""
        import torch

        head = head_of(network, self.label)
        features, labels = _features(network, val)
        norms = head.weight.detach().norm(dim=1, keepdim=True)
        tau = 1.0 if self.tau is None else self.tau
        if self.tau is None and len(labels):
            scores = {
                tau: macro_f1(
                    (features @ (head.weight.detach() / norms**tau).T).argmax(1).numpy(),
                    labels.numpy(),
                )
                for tau in TAUS
            }
            tau = max(scores, key=lambda tau: scores[tau])
        with torch.no_grad():
            head.weight.div_(norms**tau)
            head.bias.zero_()
        return f"tau_norm: the last layer's weights were divided by their norm to the power {tau:g}"


def head_of(network: nn.Module, strategy: str) -> nn.Linear:
    """The network's last layer; UserError when it has no plain one, or no `features`."""
    from torch import nn

    head = getattr(network, "head", None)
    if not isinstance(head, nn.Linear) or not hasattr(network, "features"):
        raise UserError(
            f"weighting: {strategy} works on a network's last layer, and {type(network).__name__} "
            "has no `features` with a linear `head`; use model=mlp, or another strategy"
        )
    return head


def _features(network: nn.Module, batches: Batches) -> tuple[Tensor, Tensor]:
    """What the extractor, in eval mode, makes of all rows, (m, f), and their labels (m,)."""
    import torch

    from bigmodel.data.batch import reads

    network.eval().cpu()
    extract, names = cast("Callable[..., Tensor]", network.features), reads(network)
    features, labels = [torch.zeros(0, 1)], [torch.zeros(0, dtype=torch.int64)]
    with torch.no_grad():
        for batch in batches:
            features.append(extract(*[batch.inputs[name] for name in names]))
            labels.append(batch.target)
    return torch.cat(features[1:] or features), torch.cat(labels)
