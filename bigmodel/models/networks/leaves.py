"""Trees first, a network on top: leaves become embeddings (after He et al. 2014, ADKDD)."""

from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from bigmodel.data.schema import Task
from bigmodel.models.build import Part
from bigmodel.models.networks.gbdt import GBDT
from bigmodel.models.networks.mlp import MLP

__all__ = ["LeafNetwork"]


class LeafNetwork(nn.Module):
    """A perceptron on the rows' own columns, the trees' score and the sum of leaf embeddings.

    The trees are `trees` (a GBDT to be made) and stay as they are: the static part; `leaf_dim` is
    the length of a leaf's vector, `hidden`, `dropout` are those of the perceptron.
    """

    grown = True

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        task: Task,
        train: Callable[[], Part],
        val: Callable[[], Part],
        *,
        trees: Callable[..., GBDT],
        leaf_dim: Annotated[int, Gt(0)] = 16,
        hidden: Sequence[Annotated[int, Gt(0)]] = (128,),
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.2,
    ) -> None:
        super().__init__()
        self.trees = trees(n_numeric, cardinalities, n_outputs, task, train, val)
        self.embedding = nn.Embedding(self.trees.value.numel(), leaf_dim)
        nn.init.zeros_(self.embedding.weight)  # the trees' own score speaks first
        width = n_numeric + n_outputs + leaf_dim
        self.body = MLP(
            width, cardinalities, n_outputs, hidden=hidden, norm="layer", dropout=dropout
        )
        self.head = self.body.head
        del self.body.head

    def features(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What the head gets: (n, last width)."""
        leaves = self.trees.leaves(numeric, categorical)
        score, found = self.trees.score(leaves), self.embedding(leaves).sum(1)
        return self.body.features(torch.cat([numeric, score, found], dim=1), categorical)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Logits (n, n_outputs), or the standardised value (n, 1)."""
        output: Tensor = self.head(self.features(numeric, categorical))
        return output
