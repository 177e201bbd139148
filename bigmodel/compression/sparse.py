"""Unstructured pruning: the smallest weights become zero, and are not stored."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, cast

import torch
from annotated_types import Gt, Lt
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.layers import constrained, constraints, need_layers, settled, weights
from bigmodel.compression.step import Step
from bigmodel.compression.tune import tune
from bigmodel.compression.work import Work

__all__ = ["PruneUnstructured"]

_RISE = 0.6  # share of the epochs in which weights are taken out; then the rest settles
_LEAST = 0.5  # with fewer zeros, a bitmask saves next to nothing


class Masked(nn.Module):
    """W where the mask is true, else 0; `Gradual` sets it."""

    mask: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones_like(weight, dtype=torch.bool))

    def forward(self, weight: Tensor) -> Tensor:
        """Weights of any shape, to the same."""
        return torch.where(self.mask, weight, 0.0)  # not a product: -0 is not stored as nothing


class Gradual(Callback):
    """Sets the masks before each epoch: s_t = s (1 - (1 - t / T)^3) (Zhu and Gupta, 1710.01878).

    The share s of the weights of all masked layers together that are smallest, relative to their
    layer's own size: else the layer of the smallest weights would vanish.
    """

    def __init__(self, sparsity: float, epochs: int) -> None:
        self.sparsity, self.rise = sparsity, max(1, round(_RISE * epochs))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take out more, from the first epoch on."""
        done = min(1.0, (trainer.current_epoch + 1) / self.rise)
        set_masks(pl_module, self.sparsity * (1 - (1 - done) ** 3))


@torch.no_grad()
def set_masks(network: nn.Module, sparsity: float) -> None:
    """Mask the share `sparsity` of the smallest weights."""
    pairs = [
        (chain.original, cast(Masked, mask))
        for chain in network.modules()
        if isinstance(chain, nn.utils.parametrize.ParametrizationList)
        for mask in constraints(chain, Masked)
    ]
    sizes = [weight.abs() / weight.std().clamp(min=1e-12) for weight, _ in pairs]
    everything = torch.cat([size.flatten() for size in sizes])
    count = round(sparsity * len(everything))
    edge = everything.kthvalue(count).values if count else everything.new_tensor(-1.0)
    for size, (_, mask) in zip(sizes, pairs, strict=True):
        mask.mask.copy_(size > edge)


@dataclass(frozen=True)
class PruneUnstructured(Step):
    """The share `sparsity` of weights becomes zero, little by little, taught by the dense network.

    What is left is stored behind a bitmask, without loss.
    """

    trains: ClassVar[bool] = True

    sparsity: Annotated[float, Gt(0), Lt(1)] = 0.8
    epochs: Annotated[int, Gt(0)] = 10
    lr: Annotated[float, Gt(0)] = 1e-3

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The network with zeros."""
        found = need_layers(weights(candidate.network), "linear or convolution")
        masks: dict[str, nn.Module] = {n: Masked(m.weight) for n, m in found.items()}  # type: ignore[arg-type]
        network = constrained(candidate.network, masks)
        gradual = Gradual(self.sparsity, self.epochs)
        # an epoch before the last masks has fewer zeros: it would win, and save nothing
        start = (gradual.rise - 1) / self.epochs
        tune(
            network,
            work,
            name,
            epochs=self.epochs,
            lr=self.lr,
            callbacks=[gradual],
            start=start,
        )
        return candidate.with_network(settled(network))

    def softer(self, candidate: Candidate) -> "Step | None":
        """Fewer zeros."""
        fewer = round(self.sparsity - 0.15, 3)
        return replace(self, sparsity=fewer) if fewer >= _LEAST else None

    def __str__(self) -> str:
        return f"{self.sparsity:.0%} of the weights zero"
