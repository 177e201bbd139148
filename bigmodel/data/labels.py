"""The target's values in all tables: checked, understood, encoded."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.columns import check_names
from bigmodel.data.convert import Mismatch
from bigmodel.data.reading import RawTable
from bigmodel.data.schema import Target, Task
from bigmodel.data.splits import TRAIN
from bigmodel.data.target import Labels, encode_target, find_target
from bigmodel.data.texts import plain
from bigmodel.errors import UserError


def stacked_labels(
    tables: Mapping[int, RawTable], name: str, used: NDArray[np.bool_]
) -> "pd.Series[Any]":
    """The target column of all tables, one below the other, (n,), with the index 0 to n - 1.

    Raises UserError when a table lacks the column, or where a row that is `used` has no label.
    """
    for table in tables.values():
        check_names([name], list(map(str, table.frame.columns)), f"{table.name}: data.target")
    columns = [table.frame[name] for table in tables.values()]
    if len(columns) > 1:
        columns = [pd.concat([plain(column) for column in columns], ignore_index=True)]
    labels = columns[0].reset_index(drop=True)
    missing = (labels.isna() | (labels == "")).to_numpy(dtype=bool) & used
    if missing.any():
        raise UserError(
            f"{place_in(tables, int(missing.argmax()))}: the target {name!r} is empty "
            f"({int(missing.sum()):,} such rows in all); fill it in, or remove these rows"
        )
    return labels


def understand_target(
    tables: Mapping[int, RawTable],
    labels: "pd.Series[Any]",
    used: NDArray[np.bool_],
    task: Task | None,
) -> Target:
    """The target as its used values in the main table show it; see `find_target`."""
    main = tables[TRAIN]
    rows = len(main.frame)
    known = labels[:rows] if used[:rows].all() else labels[:rows][used[:rows]]
    if not len(known):
        raise UserError(f"{main.name}: no row is for training; see data.split")
    try:
        return find_target(known, task, main.name)
    except Mismatch as found:
        place = place_in(tables, int(known.index[found.position]))
        raise UserError(
            f"{place}: the target {known.name!r} mixes types: {found.reason}; correct it, "
            "or set data.task=multiclass to take all as classes"
        ) from found


def encode_labels(
    tables: Mapping[int, RawTable],
    labels: "pd.Series[Any]",
    used: NDArray[np.bool_],
    target: Target,
) -> Labels:
    """The labels of all rows as the network has them, (n,); 0 where a row is not used."""
    try:
        known = encode_target(labels if used.all() else labels[used], target)
    except Mismatch as found:
        place = place_in(tables, int(np.flatnonzero(used)[found.position]))
        raise UserError(
            f"{place}: the target {target.name!r}: {found.reason}; "
            "correct the label, or leave out the row"
        ) from found
    if used.all():
        return known
    encoded: Labels = np.zeros(len(labels), dtype=known.dtype)
    encoded[used] = known
    return encoded


def place_in(tables: Mapping[int, RawTable], row: int) -> str:
    """Where the row `row` of the stacked tables is."""
    for table in tables.values():
        if row < len(table.frame):
            return table.place(row)
        row -= len(table.frame)
    return "beyond the last row"
