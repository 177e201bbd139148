"""A multilayer perceptron over numbers and embedded categories."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from bigmodel.data.schema import Task
from bigmodel.models.build import Part
from bigmodel.models.networks.numbers import Numbers, table_inputs

__all__ = ["MLP"]

NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "none": nn.Identity}


class MLP(nn.Module):
    """Blocks of linear, normalisation, ReLU and dropout, then a linear head.

    `hidden` are the widths of the blocks, `numbers` how the numbers are embedded, if at all. The
    network is called with (n, n_numeric) float32 and (n, n_categorical) int32, and gives
    (n, n_outputs) float32: logits, or a standardised value.
    """

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        task: Task = "multiclass",
        train: Callable[[], Part] | None = None,
        *,
        hidden: Sequence[Annotated[int, Gt(0)]] = (256, 256),
        numbers: Numbers | None = None,
        embedding_dim: Annotated[int, Gt(0)] = 8,
        norm: Literal["batch", "layer", "none"] = "batch",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.inputs = table_inputs(numbers, n_numeric, cardinalities, embedding_dim, task, train)
        layers: list[nn.Module] = []
        width = self.inputs.width
        for size in hidden:
            layers += [nn.Linear(width, size), NORMS[norm](size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, n_outputs)

    def features(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What the head gets: (n, last width)."""
        features: Tensor = self.body(self.inputs(numeric, categorical))
        return features

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Logits (n, n_outputs), or the standardised value (n, 1)."""
        output: Tensor = self.head(self.features(numeric, categorical))
        return output
