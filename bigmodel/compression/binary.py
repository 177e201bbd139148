"""Weights of one bit: their sign, times one scale for each output."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Gt
from torch import Tensor, nn

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.layers import (
    constrained,
    inner,
    need_layers,
    outputs_axis,
    settled,
    weights,
)
from bigmodel.compression.step import Step
from bigmodel.compression.tune import tune
from bigmodel.compression.work import Work

__all__ = ["Binary"]


class Sign(nn.Module):
    """W to mean|W| sign(W), the mean over each output (XNOR-Net, arXiv 1603.05279); sign(0) = 1.

    The gradient goes straight through where |W| <= 1 (Courbariaux et al. 2016, 1602.02830).
    """

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, weight: Tensor) -> Tensor:
        """Weights of any shape, to the same."""
        others = [i for i in range(weight.dim()) if i != self.axis]
        if weight.dim() == 3 and self.axis == 2:
            others = [1]  # each feature, or member, has scales of its own
        scale = weight.detach().abs().mean(others, keepdim=True)
        signs = torch.where(weight.detach() >= 0, scale, -scale)
        through = weight.clamp(-1, 1)
        return (signs - through).detach() + through


@dataclass(frozen=True)
class Binary(Step):
    """Trained through the sign for some epochs, taught by the network as it was.

    `layers`: `all`, or `inner`, without the first and the last, which cost most accuracy.
    """

    trains: ClassVar[bool] = True

    layers: Literal["all", "inner"] = "inner"
    epochs: Annotated[int, Gt(0)] = 12
    lr: Annotated[float, Gt(0)] = 2e-3

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The network with such layers."""
        found = weights(candidate.network) if self.layers == "all" else inner(candidate.network)
        found = need_layers(found, "inner" if self.layers == "inner" else "linear or convolution")
        signs: dict[str, nn.Module] = {n: Sign(outputs_axis(m)) for n, m in found.items()}
        network = constrained(candidate.network, signs)
        tune(network, work, name, epochs=self.epochs, lr=self.lr)
        return candidate.with_network(settled(network))

    def softer(self, candidate: Candidate) -> "Step | None":
        """The inner layers alone."""
        return replace(self, layers="inner") if self.layers == "all" else None

    def __str__(self) -> str:
        return f"{self.layers} layers"
