"""Columns of text, looked at by their distinct values: usually few, whatever the number of rows."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MARKERS = ("?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-")  # stand for "no value"

_CODE = re.compile(r"[+-]?0\d+")
_FEW = 0.5  # distinct values a row: with more, codes would save nothing


class Levels(NamedTuple):
    """The distinct values of a column as texts (k,), and which one each row has (n,): -1 none."""

    texts: "pd.Series[str]"
    codes: NDArray[np.int64]

    def counts(self) -> NDArray[np.int64]:
        """How many rows have each distinct value, (k,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    def first(self, chosen: NDArray[np.bool_]) -> int:
        """The first row that has one of the `chosen` (k,) distinct values."""
        return int(np.append(chosen, False)[self.codes].argmax())

    def spread(self, values: "pd.Series[Any]", like: "pd.Series[Any]") -> "pd.Series[Any]":
        """What `values` (k,) has for each row's distinct value, missing for none; `like` (n,)."""
        missing = len(self.codes) and self.codes.min() < 0
        array = values.array.take(self.codes, allow_fill=bool(missing))
        return pd.Series(array, index=like.index, name=like.name, copy=False)


def levels(values: "pd.Series[Any]") -> Levels:
    """The distinct values of a column of texts (str or category)."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, distinct = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, distinct = pd.factorize(values)
    return Levels(pd.Series(distinct, dtype="str"), codes.astype(np.int64, copy=False))


def compact(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column of texts with few distinct ones as category; any other as it is.

    The empty text becomes missing.
    """
    if values.dtype != "str":
        return values
    texts, codes = levels(values)
    if len(texts) > _FEW * len(values):
        return values.mask(values == "") if (values == "").any() else values
    kept = (texts != "").to_numpy(dtype=bool)
    if not kept.all():
        renumbered = np.where(kept, np.cumsum(kept) - 1, -1)
        texts, codes = texts[kept], np.append(renumbered, -1)[codes]
    array = pd.Categorical.from_codes(codes, pd.Index(texts, dtype="str"), validate=False)
    return pd.Series(array, index=values.index, name=values.name, copy=False)


def plain(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """A compact column in the dtype of its values."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype(values.cat.categories.dtype)
    return values


def are_markers(texts: "pd.Series[str]") -> NDArray[np.bool_]:
    """Whether each text stands for "no value": a missing marker, or nothing but spaces."""
    found = (text.strip() for text in texts.tolist())
    return np.array([text in MARKERS or not text for text in found], dtype=bool)


def are_codes(texts: "pd.Series[str]") -> bool:
    """Whether these are digits, some with zeros in front that a number would lose."""
    return any(_CODE.fullmatch(text) for text in texts.tolist())


def closest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that `name` was probably meant to be."""
    spellings = {known.lower(): known for known in names}
    near = get_close_matches(name.lower(), spellings, n=1)
    return spellings[near[0]] if near else None


def some(names: list[str], shown: int = 8) -> str:
    """The first few of many names, for a message."""
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest
