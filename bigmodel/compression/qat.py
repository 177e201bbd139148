"""Training that feels the rounding: weights and activations are rounded as int8 will round them."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.layers import (
    constrained,
    need_layers,
    outputs_axis,
    settled,
    weights,
)
from bigmodel.compression.step import Step
from bigmodel.compression.tune import tune
from bigmodel.compression.work import Work

__all__ = ["QuantisationAware"]

_LEVELS = 255  # of activations: unsigned 8 bits, as int8 has them


class Rounded(nn.Module):
    """W to round(W / s) s, s = max |W| / (2^(bits - 1) - 1) of each output; straight through."""

    def __init__(self, axis: int, bits: int) -> None:
        super().__init__()
        self.axis, self.most = axis, 2 ** (bits - 1) - 1

    def forward(self, weight: Tensor) -> Tensor:
        """Weights of any shape, to the same."""
        others = [i for i in range(weight.dim()) if i != self.axis]
        scale = weight.detach().abs().amax(others, keepdim=True) / self.most
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        return _through(weight, (weight / scale).round() * scale)


def _through(value: Tensor, rounded: Tensor) -> Tensor:
    return (rounded - value).detach() + value


def _round_inputs(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the layer reads, rounded to 256 levels over the batch's own range (which holds 0)."""
    x = inputs[0]
    low, high = x.detach().amin().clamp(max=0), x.detach().amax().clamp(min=0)
    step = ((high - low) / _LEVELS).clamp(min=1e-12)
    return (_through(x, (x / step).round() * step), *inputs[1:])


@dataclass(frozen=True)
class QuantisationAware(Step):
    """Some epochs with rounded weights, of `bits` bits, and activations, of 8.

    The rounding itself is that of the step int8, which has to come after it with the same bits.
    """

    trains: ClassVar[bool] = True

    bits: Annotated[int, Ge(2), Le(8)] = 8
    epochs: Annotated[int, Gt(0)] = 5
    lr: Annotated[float, Gt(0)] = 5e-4

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The network, trained so."""
        found = need_layers(weights(candidate.network), "linear or convolution")
        rounding: dict[str, nn.Module] = {
            n: Rounded(outputs_axis(m), self.bits) for n, m in found.items()
        }
        network = constrained(candidate.network, rounding)
        hooks = [network.get_submodule(n).register_forward_pre_hook(_round_inputs) for n in found]
        tune(network, work, name, epochs=self.epochs, lr=self.lr)
        for hook in hooks:
            hook.remove()
        return candidate.with_network(settled(network))

    def softer(self, candidate: Candidate) -> "Step | None":
        """More bits."""
        return replace(self, bits=self.bits + 1) if self.bits < 8 else None

    def __str__(self) -> str:
        return f"{self.bits} bits"
