"""Batches as slices of whole tensors: no per-row Python, and an order that can be resumed."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Protocol

import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from bigmodel.data.augment.augment import Augment
from bigmodel.data.batch import Batch
from bigmodel.data.threads import ahead

SEED_STRIDE = 1000003  # a prime: the (seed, epoch) pairs of neighbouring seeds do not meet


class EpochDraws(Protocol):
    """What may change from epoch to epoch, besides the order."""

    def weight(self, epoch: int) -> Tensor | None:
        """The weight of each row of the tensors, (n,), or None for no weights."""

    def order(self, epoch: int, generator: torch.Generator) -> Tensor | None:
        """The positions in `rows` that the epoch draws, as many as `rows`; None for each once."""

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""


class TensorLoader:
    """A sized iterable of batches.

    `tensors` are those of all rows, `rows` the int64 positions to use of them (all by default).
    `draws` may bring weights and another order, `augment` changes what a batch holds. The order of
    an epoch follows from `(seed, epoch)` alone, and `state_dict` holds the position in it: a
    resumed loader gives the batches that were still to come. It has to be sized, as Lightning then
    fetches no batch ahead.

    `batch_size` counts the rows of all processes together: each of `world_size` processes gets
    its share of every batch, so that two processes take the very steps of one. They all get the
    same number of batches. With `drop_last` the shares are equal, and the rows of an epoch that
    fill no batch are left out (others in each epoch); else every row comes once. Fewer rows than
    `batch_size` make one batch.
    """

    def __init__(
        self,
        tensors: Batch,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        rows: Tensor | None = None,
        draws: EpochDraws | None = None,
        augment: Augment | None = None,
    ) -> None:
        self.tensors = tensors
        self.rows = torch.arange(len(tensors.target)) if rows is None else rows
        self.seed, self.shuffle, self.drop_last = seed, shuffle, drop_last
        self.rank, self.world_size = rank, world_size
        self.draws, self.augment = draws, augment
        share = max(1, min(batch_size, len(self.rows)) // world_size)
        self.batch_size = share * world_size
        self.epoch = self._position = self._used = 0

    def __len__(self) -> int:
        whole, rest = divmod(len(self.rows), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def state_dict(self) -> dict[str, int]:
        """Where the loader stands: the epoch, and how many batches of it were given."""
        return {"epoch": self.epoch, "position": self._position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken; after an epoch's last batch that is the next epoch."""
        self.epoch, self._position, self._used = state["epoch"], state["position"], 0
        if self._position >= len(self):
            self.epoch, self._position = self.epoch + 1, 0

    def __iter__(self) -> Iterator[Batch]:
        if self._used:  # a new pass, though the last one may have been cut short
            self.epoch, self._position, self._used = self.epoch + 1, 0, 0
        for batch in self._batches():
            self._position += 1  # before the batch is used: a checkpoint taken then counts it
            self._used += 1
            yield batch

    def _batches(self) -> Iterator[Batch]:
        """The rest of the epoch; an augmentation works one batch ahead, in a thread."""
        order, weight = self._order(), self.draws.weight(self.epoch) if self.draws else None
        tensors = self.tensors if weight is None else self.tensors._replace(weight=weight)
        left = range(self._position, len(self))
        if self.augment is None:
            yield from (tensors.rows(self._share(order, index)) for index in left)
            return
        samples, augment, epoch = _samples(order, len(tensors.target)), self.augment, self.epoch

        def augmented(index: int) -> Batch:
            batch = tensors.rows(self._share(order, index))
            return augment(batch, self._share(samples, index), epoch)

        yield from ahead(map(augmented, left), _one_core)

    def _order(self) -> Tensor:
        """The epoch's rows in the epoch's order, the same in every process."""
        if not self.shuffle:
            return self.rows
        generator = torch.Generator().manual_seed(self.seed * SEED_STRIDE + self.epoch)
        drawn = self.draws.order(self.epoch, generator) if self.draws else None
        if drawn is not None:
            return self.rows[drawn]
        return self.rows[torch.randperm(len(self.rows), generator=generator)]

    def _share(self, order: Tensor, index: int) -> Tensor:
        """This process's rows of batch `index`; without `drop_last` batches are evenly large."""
        batches = len(self)
        rows = batches * self.batch_size if self.drop_last else len(order)
        batch = order[rows * index // batches : rows * (index + 1) // batches]
        return batch[self.rank :: self.world_size]


def _one_core() -> None:
    """Let torch use one core in this thread.

    Each thread has its own OpenMP team, whose idle members spin: a second one beside that of the
    training steps made these a third slower.
    """
    torch.get_num_threads()  # torch sets the number at a thread's first use, and would undo this
    _openmp().limit(limits=1)


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")


def _samples(order: Tensor, rows: int) -> Tensor:
    """A name for each draw of an epoch: the row, plus `rows` for each time that it came before."""
    ranked, by_row = order.sort(stable=True)
    places = torch.arange(len(order))
    starts = torch.where(ranked.diff(prepend=ranked.new_full((1,), -1)) != 0, places, 0)
    names = torch.empty_like(order)
    names[by_row] = ranked + rows * (places - starts.cummax(0).values)
    return names
