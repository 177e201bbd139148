"""What a learner is given, and what it says of it."""

from dataclasses import dataclass, field
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bigmodel.errors import UserError
from bigmodel.learning.arrays import Ints
from bigmodel.learning.memo import KINDS, Memos


class Events(NamedTuple):
    """n labelled rows, in the order in which their labels came.

    `memos` are what `Snapshot.answer` gave, `labels` (n,) codes (int64) or standardised values.
    `sources` say who gave the labels; `audited` (n,) which of them somebody has checked. Where
    there are `names`, they are those of labels that were no class when the model was trained,
    whose codes are -1; "" for the others.
    """

    memos: Memos
    labels: NDArray[Any]
    sources: tuple[str, ...] | None = None
    audited: NDArray[np.bool_] | None = None
    names: tuple[str, ...] | None = None

    def check(self, width: int, classes: int) -> None:
        """Raise UserError unless they are of rows of this `width`, and of these `classes`."""
        rows, labels = self.memos.rows, self.labels
        if rows.shape != (len(labels), width) or not len(labels):
            raise UserError(
                f"learning: rows of shape {rows.shape} with {len(labels)} labels; "
                f"give (n, {width}) and n labels, n > 0"
            )
        if not np.isfinite(rows).all() or not np.isfinite(labels).all():
            raise UserError("learning: a row or a label is not a finite number")
        if not classes:
            return
        least = 0 if self.names is None else np.where([bool(n) for n in self.names], -1, 0)
        if labels.dtype.kind != "i" or (labels < least).any() or labels.max() >= classes:
            raise UserError(
                f"learning: labels are class codes: whole numbers from 0 to {classes - 1}; "
                "of a new class, -1 and its name"
            )

    def coded(self, added: tuple[str, ...], first: int) -> "Events":
        """With the codes of names that are classes now: those `added` to the `first` ones."""
        if self.names is None:
            return self
        codes = {name: first + index for index, name in enumerate(added)}
        known = [codes.get(name, code) for name, code in zip(self.names, self.labels, strict=True)]
        return self._replace(labels=np.array(known, dtype=np.int64))

    @property
    def strange(self) -> NDArray[np.bool_]:
        """Which labels are of no class so far, (n,), once they are `coded`."""
        if self.names is None:
            return np.zeros(len(self.labels), dtype=np.bool_)
        return np.asarray(self.labels < 0)

    def where(self, chosen: NDArray[np.bool_]) -> "Events":
        """Rows, labels and names of these."""
        names = None if self.names is None else tuple(compress(self.names, chosen))
        return Events(self.memos.where(chosen), self.labels[chosen], names=names)

    def plus(self, rows: NDArray[np.float32], seen: Ints, code: int) -> "Events":
        """With m more rows (m, width) of one class, whose votes and answers are not known."""
        _, experts, classes = self.memos.votes.shape
        votes = np.full((len(rows), experts, classes), np.nan, dtype=np.float32)
        answers = np.full((len(rows), KINDS, classes), np.nan, dtype=np.float32)
        memos = Memos(
            np.concatenate([self.memos.rows, rows]),
            np.concatenate([self.memos.votes, votes]),
            np.concatenate([self.memos.answers, answers]),
            np.concatenate([self.memos.seen, seen]),
        )
        return Events(memos, np.concatenate([self.labels, np.full(len(rows), code)]))


@dataclass(frozen=True)
class Report:
    """What a block did: the `version` that it led to, and how many of its rows were `learnt`.

    `anchored` rows went to the anchor, and `held` ones wait for more of their class; `refused`
    counts the others by reason. `added` are the classes that were taken up. `vetoed` says that the
    last good version was published again, `drifted` that the experts were made to forget. `joined`
    are challengers that have become experts.
    """

    version: int
    learnt: int = 0
    anchored: int = 0
    held: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    vetoed: bool = False
    drifted: bool = False
    joined: tuple[str, ...] = ()
