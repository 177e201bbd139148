"""Boosted trees as a network: the strongest baseline on tables."""

from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor, nn

from bigmodel.data.schema import Task
from bigmodel.models.build import Part
from bigmodel.models.networks.boosting import Rows, Settings, grow
from bigmodel.models.networks.ranks import Ranks

__all__ = ["GBDT"]

Count = Annotated[int, Gt(0)]


class GBDT(nn.Module):
    """Trees that are grown when the network is made; there is nothing left to train.

    At most `rounds` rounds of trees with up to `leaves` leaves, each of at least `min_rows` rows;
    growing stops when the validation loss has not fallen for `patience` rounds. A split looks at
    the share `columns` of the columns. Weights of the rows are those of the loss.
    """

    value: Tensor
    grown = True  # on labels, before the first step

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        task: Task,
        train: Callable[[], Part],
        val: Callable[[], Part],
        *,
        rounds: Count = 2000,
        leaves: Annotated[int, Gt(1)] = 31,
        lr: Annotated[float, Gt(0)] = 0.05,
        min_rows: Count = 20,
        columns: Annotated[float, Gt(0), Le(1)] = 0.7,
        patience: Count = 50,
    ) -> None:
        super().__init__()
        rows = train()
        self.ranks = Ranks(rows, tuple(cardinalities), n_outputs)
        settings = Settings(rounds, leaves, lr, min_rows, columns, patience)
        self.trees, value = grow(self._rows(rows), self._rows(val()), task, n_outputs, settings)
        self.register_buffer("value", value)
        self.binary = task == "binary"
        self.a_round = n_outputs if task == "multiclass" else 1

    def _rows(self, part: Part) -> Rows:
        columns = self._columns(
            torch.from_numpy(part.inputs.numeric), torch.from_numpy(part.inputs.categorical)
        )
        return Rows(columns.numpy(), part.target, part.weight)

    def _columns(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        return torch.cat([numeric, self.ranks(categorical)], dim=1)

    def leaves(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """The leaf of each tree, (n, trees) int64: an index into `value`, flattened."""
        leaves: Tensor = self.trees(self._columns(numeric, categorical))
        trees, nodes = self.value.shape
        return leaves + torch.arange(trees, device=leaves.device) * nodes

    def score(self, leaves: Tensor) -> Tensor:
        """What the leaves say together: (n, n_outputs)."""
        each = self.value.flatten()[leaves]
        score = each.view(leaves.shape[0], -1, self.a_round).sum(1)
        return torch.cat([torch.zeros_like(score), score], 1) if self.binary else score

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Logits (n, n_outputs), or the standardised value (n, 1)."""
        return self.score(self.leaves(numeric, categorical))
