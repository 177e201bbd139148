"""Whether the rows of late, and what was answered to them, look like those of training.

Rows become the codes of their bins at once, and the latest of these are counted: no value of a
caller is kept, and a look at the counts costs the same after any number of rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bigmodel.serving.monitor import divergence
from bigmodel.serving.monitor.bins import MOVING, NONE, ORDERED, Bins

ENOUGH = 200  # rows, below which nothing is said: a few callers are not the traffic


class Counted(NamedTuple):
    """A column's `training` and `live` rows by bin (bins,): plain numbers, which can be added.

    What the bins mean is told in `Bins`, and so is `kind`; of `answers` or of the columns.
    """

    name: str
    kind: str
    answers: bool
    training: list[float]
    live: list[int]


class Found(NamedTuple):
    """What a column's counts say.

    `p` is corrected for the number of columns; `new` the share of values that training did not
    have, of categories. What is of answers has its name in parentheses, as no column has.
    """

    counted: Counted
    psi: float
    ks: float | None
    p: float
    missing: float
    missing_in_training: float
    new: float | None

    @property
    def name(self) -> str:
        """How it is told."""
        return f"({self.counted.name})" if self.counted.answers else self.counted.name


class Window:
    """The latest `rows` rows of one version of a model."""

    def __init__(self, columns: Sequence[Bins], answers: Sequence[Bins], rows: int) -> None:
        self._columns, self._answers = columns, answers
        bins = [*columns, *answers]
        self._codes = np.full((rows, len(bins)), NONE, dtype=np.int16)
        self._counts = [np.zeros(len(one.training), dtype=np.int64) for one in bins]
        self._added = 0

    @property
    def full(self) -> bool:
        """Whether new rows take the places of old ones."""
        return self._added >= len(self._codes)

    def add(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Any]) -> None:
        """Count rows and their answers (at most as many as the window has); the oldest go."""
        if not answers:
            return
        given = [one.codes([row.get(one.name) for row in rows]) for one in self._columns]
        given += [one.codes(answers) for one in self._answers]
        places = (self._added + np.arange(len(answers))) % len(self._codes)
        self._added += len(answers)
        for index, (codes, counts) in enumerate(zip(given, self._counts, strict=True)):
            counts -= _histogram(self._codes[places, index], len(counts))
            counts += _histogram(codes, len(counts))
            self._codes[places, index] = codes

    def counted(self) -> list[Counted]:
        """The counts of now."""
        bins = [(one, False) for one in self._columns] + [(one, True) for one in self._answers]
        return [
            Counted(one.name, one.kind, answers, one.training.tolist(), counts.tolist())
            for (one, answers), counts in zip(bins, self._counts, strict=True)
        ]


def together(parts: Sequence[Sequence[Counted]]) -> list[Counted]:
    """The counts of several processes that serve the same version."""
    return [
        same[0]._replace(live=np.sum([one.live for one in same], axis=0).tolist())
        for same in zip(*parts, strict=True)
    ]


def found(columns: Sequence[Counted]) -> list[Found]:
    """What the counts of one version say, by column."""
    corrected = iter(divergence.holm([_p_value(c) for c in columns if c.kind != MOVING]))
    return [_of(c, next(corrected) if c.kind != MOVING else 1.0) for c in columns]


def _p_value(column: Counted) -> float:
    return divergence.chi2_p(np.array(column.training), np.array(column.live))


def _of(column: Counted, p: float) -> Found:
    training, live = np.array(column.training), np.array(column.live)
    before, now = training / training.sum(), live / max(live.sum(), 1)
    ordered = column.kind in ORDERED
    return Found(
        column,
        divergence.psi(training, live),
        divergence.ks(training[:-1], live[:-1]) if ordered else None,
        p,
        float(now[-1]),
        float(before[-1]),
        None if ordered else max(0.0, float(now[-2] - before[-2])),
    )


def _histogram(codes: NDArray[np.int16], bins: int) -> NDArray[np.int64]:
    return np.bincount(codes[codes != NONE], minlength=bins)
