"""What a step of training gets, and how a network is asked: inputs go by name."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from torch import Tensor, nn

TABLE = ("numeric", "categorical")


class Batch(NamedTuple):
    """Rows as tensors; a whole split is one, too.

    `inputs` by name: "numeric" (n, p) float32, "categorical" (n, q) int32, "tokens" (n, length)
    int32 and "image" (n, channels, height, width) uint8 where there are any. `target` (n,) are
    class codes (int64) or standardised values, `weight` (n,) float32. Where an augmentation mixed
    rows, the loss is `share` (n,) of that of `target` and the rest of that of `other` (n,).
    """

    inputs: Mapping[str, Tensor]
    target: Tensor
    weight: Tensor | None = None
    other: Tensor | None = None
    share: Tensor | None = None

    def of(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with every tensor changed in the same way: rows chosen, another device."""
        optional = (self.weight, self.other, self.share)
        return Batch(
            {name: change(tensor) for name, tensor in self.inputs.items()},
            change(self.target),
            *(None if tensor is None else change(tensor) for tensor in optional),
        )

    def rows(self, chosen: Tensor) -> "Batch":
        """These rows, by position, (m,) int64."""
        return self.of(lambda tensor: tensor.index_select(0, chosen))


def reads(network: nn.Module | type[nn.Module]) -> tuple[str, ...]:
    """The names of the inputs that `forward` takes, in its order."""
    kind = network if isinstance(network, type) else type(network)
    return _names(kind.forward)


@cache
def _names(forward: Callable[..., Tensor]) -> tuple[str, ...]:
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):  # takes whatever comes: a table's
        return TABLE
    return tuple(parameter.name for parameter in parameters)


def together(output: Tensor) -> Tensor:
    """(n, n_outputs) of a network in training: the mean of an ensemble's (n, k, n_outputs)."""
    return output if output.dim() == 2 else output.mean(1)


def ask(network: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    """What the network makes of a batch's inputs."""
    output: Tensor = network(*[inputs[name] for name in reads(network)])
    return output
