"""Embeddings of numbers: each becomes a vector, so that a network need not bend a straight line.

Gorishniy, Rubachev and Babenko 2022 (arXiv 2203.05556); the layers are those of their package.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor, nn

from bigmodel.data.schema import Task
from bigmodel.models.build import Part
from bigmodel.models.networks.inputs import TableInputs

__all__ = ["Periodic", "PiecewiseLinear"]

LEAF_ROWS, IMPURITY = 64, 1e-4  # of the trees that choose bins: the package's own advice
MOST_ROWS = 100_000  # for the trees: more move no edge that matters


class Numbers(ABC):
    """Makes the layer: (n, p) float32 to (n, p, dim)."""

    dim: int

    @abstractmethod
    def layer(self, n_numeric: int, task: Task, train: Callable[[], Part]) -> nn.Module:
        """For a table with `n_numeric` numbers a row; `train` gives its training rows."""


def table_inputs(
    numbers: Numbers | None,
    n_numeric: int,
    cardinalities: tuple[int, ...],
    embedding_dim: int,
    task: Task,
    train: Callable[[], Part] | None,
) -> TableInputs:
    """The first layer of a network whose numbers are embedded, or taken as they are."""
    if numbers is None or not n_numeric:
        return TableInputs(n_numeric, tuple(cardinalities), embedding_dim)
    assert train is not None, "embedded numbers need the table's rows"
    layer = numbers.layer(n_numeric, task, train)
    return TableInputs(n_numeric, tuple(cardinalities), embedding_dim, layer, numbers.dim)


class Periodic(Numbers):
    """Sines and cosines of learnt frequencies, a linear layer shared by all numbers, and ReLU.

    `scale` is the standard deviation of the first `frequencies`: the one setting that matters,
    and other for each table (.05 to 5).
    """

    def __init__(
        self,
        *,
        dim: Annotated[int, Gt(0)] = 24,
        frequencies: Annotated[int, Gt(0)] = 48,
        scale: Annotated[float, Gt(0)] = 0.1,
    ) -> None:
        self.dim, self.frequencies, self.scale = dim, frequencies, scale

    def layer(self, n_numeric: int, task: Task, train: Callable[[], Part]) -> nn.Module:
        """Needs no rows."""
        from rtdl_num_embeddings import PeriodicEmbeddings

        layer: nn.Module = PeriodicEmbeddings(
            n_numeric,
            self.dim,
            n_frequencies=self.frequencies,
            frequency_init_scale=self.scale,
            lite=True,
        )
        return layer


class PiecewiseLinear(Numbers):
    """A line with a bend at each edge of up to `bins` bins, which a tree on the target chooses."""

    def __init__(
        self, *, dim: Annotated[int, Gt(0)] = 16, bins: Annotated[int, Gt(1)] = 48
    ) -> None:
        self.dim, self.bins = dim, bins

    def layer(self, n_numeric: int, task: Task, train: Callable[[], Part]) -> nn.Module:
        """Chooses the edges by the training rows."""
        from rtdl_num_embeddings import PiecewiseLinearEmbeddings

        part = train()
        numeric = torch.from_numpy(part.inputs.numeric[:MOST_ROWS])
        target = torch.from_numpy(part.target[:MOST_ROWS])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a number has one bin: then a line is enough
            edges = [_edges(numeric[:, i], target, self.bins, task) for i in range(n_numeric)]
            layer: nn.Module = PiecewiseLinearEmbeddings(
                edges, self.dim, activation=False, version="B"
            )
        return layer


def _edges(values: Tensor, target: Tensor, bins: int, task: Task) -> Tensor:
    """The edges of the bins of one number; a constant one has a bin, too."""
    from rtdl_num_embeddings import compute_bins

    low, high = values.min(), values.max()
    if low == high:
        return torch.stack([low - 1, low + 1])
    leaf = min(LEAF_ROWS, max(1, len(values) // 16))
    grown = {"min_samples_leaf": leaf, "min_impurity_decrease": IMPURITY, "random_state": 0}
    (edges,) = compute_bins(
        values[:, None],
        min(bins, len(values) - 1),
        tree_kwargs=grown,
        y=target,
        regression=task == "regression",
    )
    if len(edges) < 2:
        edges = torch.stack([low, high])
    result: Tensor = edges
    return result
