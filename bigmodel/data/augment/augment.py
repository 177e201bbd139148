"""The steps of an augmentation, one after the other, on every training batch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from bigmodel.data.augment.draws import Draws
from bigmodel.data.batch import Batch

__all__ = ["Augment"]


def rarity(target: Tensor) -> Tensor:
    """For each class (C,) float32: 0 for the largest, 1 for the rarest, by the log of its size."""
    counts = torch.bincount(target).clamp(min=1).double()
    rarer = (counts.max() / counts).log()
    return (rarer / rarer.max().clamp(min=1e-9)).float()


class Step(ABC):
    """Changes some samples of a batch; the random numbers come with it."""

    def bind(self, table: Batch, rows: Tensor) -> None:  # noqa: B027 (most need nothing)
        """See the whole table, of which `rows` (m,) are the training rows, before the fit.

        Raises UserError when the step cannot work on such a table.
        """

    @abstractmethod
    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """The batch changed; the one given is left as it is."""


class Augment:
    """Runs `steps`, in their order, on training batches.

    Deterministic: what becomes of a sample follows from the seed, the epoch and the sample.
    `tail` makes a step's probability larger for rarer classes: 1 + `tail` times as large for the
    rarest one, with the logarithm of a class's size in between; 0 treats all alike.
    """

    def __init__(
        self, steps: Mapping[str, Step | None], *, tail: Annotated[float, Ge(0)] = 0.0
    ) -> None:
        self.steps = {name: step for name, step in steps.items() if step is not None}
        self.tail = tail
        self.seed = 0
        self._strength: Tensor | None = None  # of each class

    def bind(self, table: Batch, rows: Tensor, seed: int) -> None:
        """See the whole table, of which `rows` (m,) are the training rows, before the fit."""
        self.seed = seed
        for step in self.steps.values():
            step.bind(table, rows)
        target = table.target[rows]
        if self.tail and not target.is_floating_point() and len(target):
            self._strength = 1 + self.tail * rarity(target)

    def __call__(self, batch: Batch, samples: Tensor, epoch: int) -> Batch:
        """The batch after all steps; `samples` (n,) int64 name its rows, see `Draws`."""
        strength = None if self._strength is None else self._strength[batch.target]
        draws = Draws(self.seed, epoch, samples.numpy(), strength)
        for name, step in self.steps.items():
            batch = step(batch, replace(draws, step=name))
        return batch
