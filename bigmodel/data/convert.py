"""A column as it came to the dtype that the schema wants, or the first cell that does not fit.

Training, batch scoring and frames from a user's hands all go through `convert`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from bigmodel.data.schema import Column
from bigmodel.data.texts import are_markers, levels

LARGEST = 1e30  # a float32 holds 3e38, but its square has to be finite too

_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_A_TIME = "a time such as 2026-01-31 or 2026-01-31T12:00:00"


@dataclass
class Mismatch(Exception):  # noqa: N818 (not an error before its place is known)
    """The cell at `position` (from 0) does not fit its column."""

    position: int
    value: Any
    wanted: str

    @property
    def reason(self) -> str:
        """What is wrong with the cell, in words."""
        return f"{self.value!r} is not {self.wanted}"


def convert(values: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    """The values in the dtype that the encoder and the user see; raises Mismatch.

    numeric: int64, or float64 with NaN, within +-1e30; cost: float64 without NaN;
    boolean: bool, or boolean with NA; datetime: datetime64[us] without zone (UTC); others: str,
    category of str, or int64 ids. Images stay what they are until they are decoded.
    """
    if column.kind == "numeric":
        return to_numbers(values)
    if column.kind == "image":
        return values
    if column.kind == "cost":
        return _without_gaps(to_numbers(values))
    if column.kind == "boolean":
        return to_booleans(values)
    if column.kind == "datetime":
        return to_times(values)
    if column.kind == "id" and column.dtype == "int64":
        return to_integers(values)
    return to_texts(values)


def _without_gaps(numbers: "pd.Series[Any]") -> "pd.Series[Any]":
    missing = numbers.isna().to_numpy()
    if missing.any():
        raise _first(numbers, missing, "a number, which the decision needs")
    return numbers.astype("float64")


def to_numbers(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Numbers, bools as 0 and 1, and texts of numbers or of the missing markers."""
    if is_datetime64_any_dtype(values):
        raise _first(values, values.notna(), "a number")
    if is_bool_dtype(values):
        return values.astype("float64")
    if not is_numeric_dtype(values):
        values = _parsed(values, lambda texts: pd.to_numeric(texts, errors="coerce"), "a number")
    elif isinstance(values.dtype, pd.api.extensions.ExtensionDtype):
        whole = values.dtype.kind in "iu" and not values.isna().any()
        values = values.astype("int64" if whole else "float64")
    elif values.dtype not in ("int64", "float64"):
        values = values.astype("int64" if values.dtype.kind == "i" else "float64")
    numbers = values.to_numpy()
    if len(numbers) and not -LARGEST < numbers.min() <= numbers.max() < LARGEST:  # or a NaN
        bad = ~np.isnan(numbers) & ~(np.abs(numbers) < LARGEST)
        if bad.any():
            raise _first(values, bad, f"a finite number (below {LARGEST:g})")
    return values


def to_booleans(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """True and false, as bools, texts or 1 and 0."""
    if values.dtype == bool:
        return values
    found = _parsed(
        to_texts(values),
        lambda texts: texts.str.strip().str.lower().map(_BOOLEANS).astype("boolean"),
        "true or false",
    )
    return found if found.isna().any() else found.astype("bool")


def to_times(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Times, or texts of them in ISO 8601; those with a zone in UTC."""
    if not is_datetime64_any_dtype(values):
        if is_numeric_dtype(values) and values.notna().any():
            raise _first(values, values.notna(), _A_TIME)
        values = _parsed(to_texts(values), _times, _A_TIME)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    return values.astype("datetime64[us]")


def to_integers(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Whole numbers, exactly; Int64 where one is missing."""
    numbers = values
    if not is_numeric_dtype(values):
        numbers = pd.to_numeric(to_texts(values), errors="coerce", dtype_backend="numpy_nullable")
    bad = values.notna() & ~(numbers % 1 == 0).fillna(False)
    if bad.any():
        raise _first(values, bad, "a whole number")
    return numbers.astype("Int64" if numbers.isna().any() else "int64")


def to_texts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Texts; whole numbers without a point, the empty text as missing."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        if dtype.categories.dtype == "str" and "" not in dtype.categories:
            return values
        return to_texts(values.astype(dtype.categories.dtype))
    if dtype == "str":
        return values.mask(values == "") if (values == "").any() else values
    if is_numeric_dtype(values) and dtype.kind == "f":
        numbers = values.dropna()
        if (numbers % 1 == 0).all() and (numbers.abs() < 2**53).all():
            values = values.astype("Int64")
    elif values.dtype == object:
        return to_texts(values.map(str, na_action="ignore").astype("str"))
    return values.astype("str")


def _parsed(
    values: "pd.Series[Any]",
    parse: Callable[["pd.Series[str]"], "pd.Series[Any]"],
    wanted: str,
) -> "pd.Series[Any]":
    """What the texts mean, by `parse` of the distinct ones; missing markers become missing."""
    found = levels(to_texts(values))
    known = ~are_markers(found.texts)
    meant = parse(found.texts.where(known))
    bad = known & meant.isna().to_numpy()
    if bad.any():
        position = found.first(bad)
        raise Mismatch(position, found.texts.iloc[found.codes[position]], wanted)
    return found.spread(meant, like=values)


def _times(texts: "pd.Series[str]") -> "pd.Series[Any]":
    return pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)


def _first(
    values: "pd.Series[Any]", bad: "pd.Series[bool] | NDArray[np.bool_]", wanted: str
) -> Mismatch:
    position = int(np.argmax(np.asarray(bad, dtype=bool)))
    value = values.iloc[position]
    return Mismatch(position, value.item() if isinstance(value, np.generic) else value, wanted)
