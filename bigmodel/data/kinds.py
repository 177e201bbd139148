"""What kind each column is, inferred from its values and its name."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from bigmodel.data.convert import Mismatch, to_texts, to_times
from bigmodel.data.schema import Column, Kind
from bigmodel.data.texts import MARKERS, Levels, are_codes, are_markers, levels

ID_ROWS = 50  # fewer distinct texts may be distinct by chance
MOSTLY = 0.9  # a column with more numbers than this, but not only, has wrong cells
TEXT_WORDS = 3  # words a value: more are sentences, not names of categories

_ID_NAME = re.compile(r"(^|[_\- .])(id|uuid|guid|index|idx)$|^Unnamed: \d+$", re.I)
_ID_CAMEL = re.compile(r"[a-z](Id|ID)$")
_OF_TIMES = set("0123456789")  # how they start
_OF_NUMBERS = {*_OF_TIMES, *"+-.i"}  # i: infinity
_DTYPES: dict[Kind, str] = {
    "numeric": "float64",
    "boolean": "bool",
    "datetime": "datetime64[us]",
    "categorical": "str",
    "text": "str",
    "id": "str",
    "image": "object",
    "cost": "float64",
}


def infer_column(values: "pd.Series[Any]") -> Column:
    """The kind of a column by its values, as they came; raises Mismatch on a cell to correct."""
    name = str(values.name)
    if is_datetime64_any_dtype(values):
        return column_of(name, "datetime", values)
    if is_bool_dtype(values) or _only_bools(values):
        return column_of(name, "boolean", values)
    if is_numeric_dtype(values):
        named = _ID_NAME.search(name) or _ID_CAMEL.search(name)
        is_id = named and values.dtype.kind in "iu" and values.is_unique
        return column_of(name, "id" if is_id else "numeric", values)
    return column_of(name, _kind_of_texts(levels(to_texts(values))), values)


def column_of(name: str, kind: Kind, values: "pd.Series[Any]") -> Column:
    """A column of a known kind, with the dtype that it is read with."""
    dtype = _DTYPES[kind]
    if kind in ("numeric", "id") and values.dtype.kind in "iu":
        dtype = "int64"
    markers = MARKERS if kind in ("numeric", "boolean", "datetime", "cost") else ()
    return Column(name, kind, dtype, missing=markers)


def _kind_of_texts(found: Levels) -> Kind:
    """Numbers, booleans and times that are written as text, then ids, sentences, categories."""
    values, counts = found.texts, found.counts()
    known = ~are_markers(values) & (counts > 0)
    present = values[known].str.strip()
    if not len(present):
        return "categorical" if len(values) else "numeric"
    starts = {text[0].lower() for text in present.tolist()}
    if starts & _OF_NUMBERS and _are_numbers(found, known, counts):
        return "numeric"
    if starts <= {"t", "f"} and present.str.lower().isin(["true", "false"]).all():
        return "boolean"
    if starts <= _OF_TIMES and _are_times(present):
        return "datetime"
    rows = int(counts.sum())
    spaces = values.str.count(r"\s+")
    if len(values) == rows >= ID_ROWS and not spaces.any():
        return "id"
    if len(values) > rows / 2 and spaces.mean() >= TEXT_WORDS - 1:
        return "text"
    return "categorical"


def _are_numbers(found: Levels, known: NDArray[np.bool_], counts: NDArray[np.int64]) -> bool:
    """Whether the values are numbers, apart from missing markers.

    Raises Mismatch when nearly all rows are: the others are mistakes, not categories.
    """
    if are_codes(found.texts):
        return False
    number = pd.to_numeric(found.texts, errors="coerce").notna().to_numpy() & known
    rows, numbers = counts[known].sum(), counts[number].sum()
    if numbers == rows:
        return True
    if numbers >= MOSTLY * rows and number.sum() > 1:
        row = found.first(known & ~number)
        text = found.texts.iloc[found.codes[row]]
        raise Mismatch(row, text, "a number, as nearly all others in the column are")
    return False


def _are_times(texts: "pd.Series[str]") -> bool:
    try:
        return all(len(to_times(part)) for part in (texts.head(20), texts))
    except Mismatch:
        return False


def _only_bools(values: "pd.Series[Any]") -> bool:
    """Whether all present objects are Python bools: what the CSV parser makes of gaps in bools."""
    if values.dtype != object:
        return False
    present = values.dropna()
    return bool(len(present)) and all(type(value) is bool for value in present)
