"""Numbers of any distribution to numbers that are normally distributed in training."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST, MOST, ROWS_PER_KNOT = 10, 1000, 30  # knots: a finer map would learn the noise
_FEW_ROWS = 4096  # from here on a search of all rows at once is faster than one row by row
_CELLS_PER_KNOT = 4  # more would rarely save a halving, and no longer fit the fastest cache


@dataclass(frozen=True)
class QuantileMap:
    """A monotone, piecewise linear map from a column's training quantiles to normal scores.

    `knots` (k,) are increasing values of the column, `scores` (k,) their normal quantiles. Equal
    quantiles (a value that many rows share) are one knot with the mean of their scores. Values
    beyond the ends get the scores of the ends, a missing one (NaN) gets 0, the median's score.
    """

    knots: Floats
    scores: Floats

    def __post_init__(self) -> None:
        sound = self.knots.ndim == 1 and len(self.knots) and self.knots.shape == self.scores.shape
        if not sound or not (np.diff(self.knots) > 0).all() or not np.isfinite(self.scores).all():
            raise ValueError("knots must be increasing numbers, each with its score")

    @classmethod
    def fit(cls, ordered: Floats, rows: int) -> "QuantileMap":
        """Learn the map from `ordered_sample` of a column with `rows` training rows."""
        if not len(ordered):
            return cls(np.zeros(1), np.zeros(1))
        levels, scores = _normal_quantiles(rows)
        quantiles = ordered[np.rint(levels * (len(ordered) - 1)).astype(np.intp)]
        starts = np.flatnonzero(np.diff(quantiles, prepend=-np.inf))
        counts = np.diff(starts, append=len(quantiles))
        return cls(quantiles[starts], np.add.reduceat(scores, starts) / counts)

    def __call__(self, values: Floats) -> Floats:
        """The scores of values (n,). Each depends on its own value only."""
        missing = np.isnan(values)
        if len(self.knots) == 1:
            return np.where(missing, 0.0, self.scores[0])
        inside = np.clip(values, self.knots[0], self.knots[-1])
        self.lines.follow(inside, _search(self.knots[1:-1], inside))
        if missing.any():
            inside[missing] = 0.0
        return inside

    @cached_property
    def lines(self) -> "Lines":
        """The pieces of the map, one from each knot to the next."""
        return Lines(self.knots, self.scores, np.diff(self.knots), np.diff(self.scores))


class Lines(NamedTuple):
    """Straight lines: each starts at a knot and a score, and has a width and a rise."""

    knots: Floats
    scores: Floats
    widths: Floats
    rises: Floats

    def follow(self, values: Floats, line: NDArray[np.intp]) -> None:
        """Replace `values` (n,) by the score on the line that each is on, in place."""
        values -= self.knots.take(line)
        values /= self.widths.take(line)
        values *= self.rises.take(line)
        values += self.scores.take(line)


def ordered_sample(values: Floats) -> Floats:
    """The numbers among `values` (n,), sorted; of many a random sample, always the same, and the
    ends. More than 30 rows a knot would not move the knots noticeably.
    """
    known = values[~np.isnan(values)]
    if len(known) <= MOST * ROWS_PER_KNOT:
        return np.sort(known)
    ordered = np.sort(known[_picked(len(known))])
    ordered[[0, -1]] = known.min(), known.max()
    return ordered


@lru_cache(maxsize=8)
def _picked(count: int) -> NDArray[np.intp]:
    """Positions of the sample among `count` values."""
    chosen = np.random.default_rng(count).choice(count, MOST * ROWS_PER_KNOT, replace=False)
    return np.sort(chosen)


@lru_cache(maxsize=8)
def _normal_quantiles(rows: int) -> tuple[Floats, Floats]:
    """Evenly spaced levels in [0, 1] and their normal quantiles.

    The ends stand for the smallest and the largest of `rows` values, so they get the score of a
    half row, not an infinite one.
    """
    count = max(min(rows // ROWS_PER_KNOT, MOST), FEWEST)
    levels = np.linspace(0.0, 1.0, count)
    inner = np.clip(levels, 0.5 / rows, 1 - 0.5 / rows)
    inverse = NormalDist().inv_cdf
    return levels, np.array([inverse(level) for level in inner.tolist()])


def _search(knots: Floats, values: Floats) -> NDArray[np.intp]:
    """For each value, how many of the increasing `knots` are not above it (for NaN: any number).

    With many rows, a grid of equal cells tells all but the knots in the value's own cell, and a
    few halvings tell those: several times as fast as `searchsorted`, whose branches the processor
    cannot predict.
    """
    scale = len(knots) * _CELLS_PER_KNOT / max(knots[-1] - knots[0], 1e-300) if len(knots) else 0.0
    if len(values) < _FEW_ROWS or not 0 < scale < 1e300:
        return np.searchsorted(knots, values, side="right")
    last = len(knots) * _CELLS_PER_KNOT

    def cell(of: Floats) -> NDArray[np.intp]:
        """Never lower for a higher value: a knot in a lower cell is not above the value."""
        with np.errstate(invalid="ignore"):  # a NaN may land anywhere
            cells: NDArray[np.intp] = np.clip((of - knots[0]) * scale, -1, last).astype(np.intp)
            return cells + 1

    inside = np.bincount(cell(knots), minlength=last + 2)
    found = (inside.cumsum() - inside).take(cell(values), mode="clip")
    padded = np.append(knots, np.full(len(knots), np.inf))
    for step in 1 << np.arange(int(inside.max()).bit_length())[::-1]:
        found += step * (values >= padded.take(found + (step - 1)))
    return found
