"""Which row is for training, which for validation, which for the test."""

from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from annotated_types import Ge, Len
from numpy.typing import NDArray

from bigmodel.errors import UserError

__all__ = ["Split"]

TRAIN, VAL, TEST, UNUSED = 0, 1, 2, -1
NAMES = ("train", "val", "test")
ROW_ORDER = "row_order"  # as a column: the order of the rows in the file is the order in time

_SYNONYMS = {
    "train": TRAIN, "training": TRAIN, "fit": TRAIN,
    "val": VAL, "valid": VAL, "validation": VAL, "dev": VAL,
    "test": TEST, "testing": TEST, "holdout": TEST,
}  # fmt: skip
_BINS = 10  # of a regression's target: each part gets its share of small and large values

Parts = NDArray[np.int8]


class Split:
    """Assigns rows to the parts train, val and test, always in the same way for a seed.

    `ratios` are the shares of the parts. `by`:

    - `target`: at random, with the target's classes (for a regression: its tenths) in the same
      shares everywhere. A class with one row is in train; with two in train and in that one of
      val and test which lacks more rows; with three or more in every part.
    - `group`: rows with the same value in `column` stay together.
    - `time`: the earliest rows by `column` train, the latest test; equal times stay together.
      `column: row_order` takes the rows as they come.
    - `column`: as the `column` says (train, val, test and usual synonyms); other rows are unused.
    - `kfold`: of `folds` equal parts, `fold` is the test, the next one val, the others train;
      stratified as `target`.
    """

    def __init__(
        self,
        ratios: Annotated[list[Annotated[float, Ge(0)]], Len(3, 3)] = [2, 1, 1],  # noqa: B006
        by: Literal["target", "group", "time", "column", "kfold"] = "target",
        column: str | None = None,
        folds: Annotated[int, Ge(3)] = 5,
        fold: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.ratios, self.by, self.column = list(ratios), by, column
        self.folds, self.fold = folds, fold

    def check(self) -> None:
        """Raise UserError when the settings do not go together."""
        if self.ratios[0] <= 0:
            raise UserError("data.split.ratios: the first number, for training, must be above 0")
        if self.fold >= self.folds:
            raise UserError(
                f"data.split.fold={self.fold}: must be below data.split.folds ({self.folds})"
            )
        if self.by in ("group", "time", "column") and self.column is None:
            also = ", or row_order for the order of the rows" if self.by == "time" else ""
            raise UserError(f"data.split.by={self.by} needs data.split.column=NAME{also}")

    def assign(
        self, strata: NDArray[np.int64], values: "pd.Series[Any] | None", seed: int, ready: set[int]
    ) -> Parts:
        """The part of each row, (n,): 0 train, 1 val, 2 test, -1 unused.

        `strata` (n,) are the classes to stratify by, `values` the split's column. The parts in
        `ready` come from files of their own and get none of these rows. Raises UserError when
        a part would be empty.
        """
        ratios = [0.0 if part in ready else float(r) for part, r in enumerate(self.ratios)]
        rng = np.random.default_rng(seed)
        if self.by == "kfold" and ready:
            raise UserError(
                "data.split.by=kfold makes val and test rows of its own; leave out data.val_path "
                "and data.test_path, or split in another way"
            )
        if self.by == "column":
            assert values is not None
            parts = named_parts(values)
        elif self.by == "time":
            parts = _in_time(values, len(strata), ratios)
        elif self.by == "group":
            parts = _by_group(values, ratios, rng)
        elif self.by == "kfold":
            parts = self._folded(strata, rng)
        else:
            parts = _stratified(strata, ratios, rng, first=TRAIN)
        for part, name in enumerate(NAMES):
            needed = ratios[part] > 0 or (self.by == "column" and part == VAL and part not in ready)
            if needed and not (parts == part).any():
                raise UserError(self._empty(name, len(strata)))
        return parts

    def _folded(self, strata: NDArray[np.int64], rng: np.random.Generator) -> Parts:
        folds = _stratified(strata, [1.0] * self.folds, rng, first=None)
        following = (self.fold + 1) % self.folds
        return np.where(folds == self.fold, TEST, np.where(folds == following, VAL, TRAIN)).astype(
            np.int8
        )

    def _empty(self, name: str, rows: int) -> str:
        if self.by == "column":
            known = ", ".join(k for k, part in _SYNONYMS.items() if NAMES[part] == name)
            return (
                f"data.split.column={self.column}: no row is for {name} (known names: {known}); "
                "name such rows, or split in another way with data.split.by="
            )
        what = {"group": "groups", "time": "different times"}.get(self.by, "rows")
        return (
            f"the table has too few {what} ({rows} rows in all) for its splits: none is left for "
            f"{name}; give more rows, or other data.split.ratios"
        )


def quantile_bins(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Strata (n,) for the numbers of a regression's target: its tenths, fewer in small tables."""
    bins = min(_BINS, max(1, len(values) // 20))
    edges = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def _stratified(
    strata: NDArray[np.int64], ratios: list[float], rng: np.random.Generator, first: int | None
) -> Parts:
    """Random parts with each stratum in the shares of `ratios`.

    Within a stratum each part first gets the whole of its share, and at least one row where there
    are enough; what is left goes to the parts that lack most, over all strata so far. A stratum
    with too few rows for every part starts with the part `first`, if given.
    """
    shares = np.array(ratios) / sum(ratios)
    parts = np.full(len(strata), TRAIN, dtype=np.int8)
    order = rng.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    wanted, given = np.zeros(len(shares)), np.zeros(len(shares))
    for rows in np.split(order, np.flatnonzero(np.diff(strata[order])) + 1):
        wanted += shares * len(rows)
        counts, open_parts = _counts(len(rows), shares, first)
        while counts.sum() < len(rows):
            part = np.argmax(np.where(open_parts, wanted - given - counts, -np.inf))
            counts[part] += 1
            open_parts[part] &= len(rows) >= (shares > 0).sum()
        given += counts
        parts[rows] = np.repeat(np.arange(len(shares)), counts)
    return parts


def _counts(
    rows: int, shares: NDArray[np.float64], first: int | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """How many rows of a stratum each part gets for sure, and which may get more."""
    used = shares > 0
    counts = np.zeros(len(shares), dtype=np.int64)
    if rows < used.sum():
        open_parts = used.copy()
        if first is not None:
            counts[first], open_parts[first] = 1, False
        return counts, open_parts
    counts[used] = np.maximum(np.floor(shares * rows).astype(np.int64)[used], 1)
    while counts.sum() > rows:
        counts[np.argmax(counts)] -= 1
    return counts, used.copy()


def _by_group(
    values: "pd.Series[Any] | None", ratios: list[float], rng: np.random.Generator
) -> Parts:
    """Whole groups, the largest first, each to the part that lacks most; missing is a group."""
    assert values is not None
    codes = pd.factorize(values, use_na_sentinel=False)[0]
    sizes = np.bincount(codes)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    lacking = np.array(ratios) / sum(ratios) * len(codes)
    part_of = np.zeros(len(sizes), dtype=np.int8)
    for group in order:
        part = int(np.argmax(np.where(np.array(ratios) > 0, lacking, -np.inf)))
        part_of[group] = part
        lacking[part] -= sizes[group]
    return part_of[codes]


def _in_time(values: "pd.Series[Any] | None", rows: int, ratios: list[float]) -> Parts:
    """The order of the values, cut by `ratios`; equal values go to the later part."""
    ranks = np.arange(rows)
    if values is not None:
        if values.isna().any():
            raise UserError(
                f"data.split.column={values.name}: row {int(values.isna().argmax())} (from 0) has "
                "no time; fill it in, or split in another way with data.split.by="
            )
        ranks = values.rank(method="max").to_numpy().astype(np.int64) - 1
    cuts = np.cumsum(ratios)[:-1] / sum(ratios) * rows
    parts: NDArray[np.intp] = np.searchsorted(np.round(cuts), ranks, side="right")
    return parts.astype(np.int8)


def named_parts(values: "pd.Series[Any]") -> Parts:
    """The part that each text names, (n,); -1 for another or none."""
    names = values.astype("str").str.strip().str.lower()
    return np.array([_SYNONYMS.get(name, UNUSED) for name in names], dtype=np.int8)
