"""Which columns of a raw table go into the schema, as what, and what there is to say of that."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pandas as pd

from bigmodel.data.convert import Mismatch, to_texts
from bigmodel.data.kinds import column_of, infer_column
from bigmodel.data.reading import RawTable, misfit
from bigmodel.data.schema import FEATURE_KINDS, Column, Kind
from bigmodel.data.texts import are_codes, are_markers, closest, levels, some
from bigmodel.errors import UserError


def find_columns(
    table: RawTable,
    left_out: Collection[str],
    ids: Collection[str],
    kinds: Mapping[str, Kind],
    texts: bool,
) -> tuple[tuple[Column, ...], list[str]]:
    """The columns in their order, and notes on what was decided by rule.

    Columns `left_out`, and those without any value, are not among them. `ids` and `kinds` are the
    user's word, the others are inferred; `texts` says whether the model reads texts. Raises
    UserError at a cell that does not fit its column, and when no column is left to learn from.
    """
    told: dict[str, Kind] = {**kinds, **dict.fromkeys(ids, "id")}
    columns, empty = [], []
    for name, values in table.frame.items():
        if name in left_out:
            continue
        if name not in told and not values.notna().any():
            empty.append(str(name))
            continue
        try:
            columns.append(
                column_of(str(name), told[str(name)], values)
                if name in told
                else infer_column(values)
            )
        except Mismatch as found:
            guess = Column(str(name), "numeric", "float64")
            raise misfit(found, guess, table.place, trained=False) from found
    feeding = (*FEATURE_KINDS, "text") if texts else FEATURE_KINDS
    if not any(column.kind in feeding for column in columns):
        unused = ", ".join(f"{c.name} ({c.kind})" for c in columns) or "none at all"
        raise UserError(
            f"{table.name}: no column is left to learn from, only {unused}; give a table with "
            "others, set data.kinds.NAME=categorical, or read texts with model=text_cnn"
        )
    notes = _notes(table.frame, columns, set(told), texts)
    if empty:
        notes.insert(0, f"columns without any value, not used: {some(empty)}")
    return tuple(columns), notes


def check_names(names: Collection[str], header: Collection[str], setting: str) -> None:
    """Raise UserError for the first of `names` that is no column of the table."""
    for name in names:
        if name not in header:
            near = closest(name, header)
            hint = f"did you mean {near!r}?" if near else f"it has {some(list(header))}"
            raise UserError(f"{setting}: the table has no column {name!r}; {hint}")


def _notes(
    frame: pd.DataFrame, columns: list[Column], told: Collection[str], texts: bool
) -> list[str]:
    """What was decided without the user's word, and may surprise; and texts that nobody reads."""
    found: dict[str, list[str]] = {wording: [] for wording in _WORDINGS}
    for column in columns:
        if column.kind == "text":
            if not texts:
                found[AS_TEXT].append(column.name)
        elif column.name not in told:
            for wording in _surprises(column, frame[column.name]):
                found[wording].append(column.name)
    return [f"{wording}: {some(names)}" for wording, names in found.items() if names]


_WORDINGS = (
    AS_ID := "taken as ids (not fed to the network, copied to predictions)",
    AS_TEXT := "text columns, not used: this model reads none (model=text_cnn does, and others; "
    "data.kinds.NAME=categorical feeds one)",
    CODES := "numbers with leading zeros, kept as text",
    NAMED := 'texts such as "NA" or "?" kept as categories in',
    MARKED := 'texts such as "NA" or "?" taken as missing in',
)


def _surprises(column: Column, values: "pd.Series[Any]") -> Iterator[str]:
    """The notes that a column deserves."""
    if column.kind == "id":
        yield AS_ID
    elif values.dtype == "str" or isinstance(values.dtype, pd.CategoricalDtype):
        texts = levels(to_texts(values)).texts
        if are_markers(texts).any():
            yield NAMED if column.kind == "categorical" else MARKED
        if column.kind == "categorical" and are_codes(texts):
            yield CODES
