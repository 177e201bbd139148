"""How one column becomes numbers: what is fitted, and what is applied."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.quantiles import Floats, QuantileMap
from bigmodel.data.texts import levels

MIN_COUNT = 3  # rows of training: fewer say little of a category, but together train "unknown"
MOST_CATEGORIES = 1000  # the most frequent: the long tail beyond would only be learnt by heart
CYCLES = {"year": 365.2425 * 86400, "week": 7 * 86400.0, "day": 86400.0}  # seconds


@dataclass(frozen=True)
class NumberEncoding:
    """A numeric, boolean or datetime column.

    Gives the score of the value; for times (seconds since 1970) also the sine and cosine of the
    `cycles`; then, when values were missing in training, a flag: 1 where it is missing, else 0.
    """

    name: str
    scores: QuantileMap
    cycles: tuple[str, ...] = ()
    flag: bool = False

    def __post_init__(self) -> None:
        if not set(self.cycles) <= set(CYCLES):
            raise ValueError(f"the cycles of {self.name} are not among {', '.join(CYCLES)}")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the numbers that a row gets, in their order."""
        waves = (f"{self.name} {wave} of {cycle}" for cycle in self.cycles for wave in _WAVES)
        flag = (f"{self.name} is missing",) if self.flag else ()
        return (self.name, *waves, *flag)

    def write(self, values: Floats, out: NDArray[np.float32]) -> None:
        """Encode values (n,) into `out`, (n, len(outputs))."""
        out[:, 0] = self.scores(values)
        self.write_rest(values, out)

    def write_rest(self, values: Floats, out: NDArray[np.float32]) -> None:
        """Encode all but the score, which is the first column of `out`."""
        for index, cycle in enumerate(self.cycles):
            angle = np.mod(values, CYCLES[cycle]) * (2 * np.pi / CYCLES[cycle])
            for offset, wave in enumerate(_WAVES.values()):
                out[:, 1 + 2 * index + offset] = np.nan_to_num(wave(angle), nan=0.0)
        if self.flag:
            out[:, -1] = np.isnan(values)


@dataclass(frozen=True)
class CategoryEncoding:
    """A categorical column: code 0 is unknown or rare, 1.. are the `categories`, in their order.

    The last code stands for a missing value when there were any in training; else it is 0 too.
    """

    name: str
    categories: tuple[str, ...]
    missing: bool = False

    @property
    def cardinality(self) -> int:
        """The number of codes."""
        return 1 + len(self.categories) + self.missing

    def codes(self, values: "pd.Series[Any]") -> NDArray[np.int32]:
        """The code of each value, (n,)."""
        found = levels(values)
        return self.codes_of([*found.texts, None])[found.codes]  # a level of -1: the last, missing

    def codes_of(self, texts: Iterable[str | None]) -> NDArray[np.int32]:
        """The code of each text, None where it is missing, (n,)."""
        return np.array([self._codes.get(text, 0) for text in texts], dtype=np.int32)

    @cached_property
    def _codes(self) -> dict[str | None, int]:
        known: dict[str | None, int] = {}
        known.update((category, code) for code, category in enumerate(self.categories, start=1))
        known[None] = self.cardinality - 1 if self.missing else 0
        return known


def frequent(counted: list[tuple[str, int]]) -> tuple[str, ...]:
    """The categories that get a code of their own, of all by falling number of rows."""
    return tuple(text for text, count in counted[:MOST_CATEGORIES] if count >= MIN_COUNT)


def numbers(values: "pd.Series[Any]") -> Floats:
    """A numeric, boolean or datetime column as float64 (n,): NaN where missing, times in seconds.

    Does not copy a float64 column. Raises ValueError or TypeError on text that is no number.
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        stamps = values.to_numpy(dtype="datetime64[us]")
        seconds = stamps.astype(np.int64) / 1e6
        return np.where(np.isnat(stamps), np.nan, seconds)
    if values.dtype == object:
        values = values.astype("Float64")
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


_WAVES = {"sine": np.sin, "cosine": np.cos}


def varying_cycles(seconds: Floats) -> tuple[str, ...]:
    """The cycles that training times saw at least twice, and not always in the same phase."""
    span = np.ptp(seconds) if len(seconds) else 0.0
    return tuple(
        name
        for name, length in CYCLES.items()
        if span >= 2 * length and np.ptp(np.mod(seconds, length)) > 0
    )
