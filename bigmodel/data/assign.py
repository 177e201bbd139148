"""Where each row of the tables goes, and what there is to say of that."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from bigmodel.data.convert import Mismatch, to_times
from bigmodel.data.reading import RawTable
from bigmodel.data.schema import Target
from bigmodel.data.splits import (
    ROW_ORDER,
    TRAIN,
    UNUSED,
    Parts,
    Split,
    named_parts,
    quantile_bins,
)
from bigmodel.data.target import Labels
from bigmodel.errors import UserError

if TYPE_CHECKING:
    from bigmodel.data.long_tail import LongTail

_FEW_ROWS = 3  # a class with fewer cannot be in every part


def split_column(split: Split) -> str | None:
    """The column that only says where rows go, and so is no feature."""
    return split.column if split.by in ("column", "group") else None


def group_codes(tables: Mapping[int, RawTable], split: Split) -> NDArray[np.int32]:
    """A number for the group of each row of all tables, (n,); (0,) where rows have no groups.

    A ready-made table without the column is one of rows that stand alone.
    """
    if split.by != "group":
        return np.zeros(0, np.int32)
    values = [
        table.frame[split.column].astype(str)
        if split.column in table.frame
        else pd.Series([f"{part}/{row}" for row in range(len(table.frame))])
        for part, table in tables.items()
    ]
    codes: NDArray[np.int32] = pd.factorize(pd.concat(values))[0].astype(np.int32)
    return codes


def used_rows(tables: Mapping[int, RawTable], split: Split) -> NDArray[np.bool_]:
    """Whether each row of all tables, in their order, is for any part, (n,)."""
    rows = sum(len(table.frame) for table in tables.values())
    used = np.ones(rows, dtype=bool)
    if split.by == "column":
        main = tables[TRAIN].frame
        used[: len(main)] = named_parts(main[split.column]) != UNUSED
    return used


def assign_parts(
    tables: Mapping[int, RawTable],
    labels: Labels,
    target: Target,
    split: Split,
    seed: int,
    sound: NDArray[np.bool_] | None = None,
) -> Parts:
    """The part of every row of all tables, in their order, (n,).

    The main table, under 0, is split; ready-made val and test tables, under 1 and 2, are whole.
    Rows that are not `sound` (n,) are as if they were not there.
    """
    if sound is not None and not sound.all():
        found = np.full(len(sound), UNUSED, dtype=np.int8)
        found[sound] = assign_parts(_only(tables, sound), labels[sound], target, split, seed)
        return found
    main = tables[TRAIN]
    known = labels[: len(main.frame)]
    codes = known.astype(np.int64)
    strata = quantile_bins(known.astype(np.float64)) if target.task == "regression" else codes
    parts = [split.assign(strata, _values(main, split), seed, set(tables) - {TRAIN})]
    parts += [
        np.full(len(table.frame), part, dtype=np.int8)
        for part, table in tables.items()
        if part != TRAIN
    ]
    return np.concatenate(parts)


def _only(tables: Mapping[int, RawTable], sound: NDArray[np.bool_]) -> dict[int, RawTable]:
    """The tables without the rows that are not `sound`."""
    found, start = {}, 0
    for part, table in tables.items():
        rows = np.flatnonzero(sound[start : start + len(table.frame)])
        start += len(table.frame)
        place = lambda row, rows=rows, of=table.place: of(int(rows[row]))  # noqa: E731
        found[part] = RawTable(table.frame.iloc[rows], place, table.name)
    return found


def thin(long_tail: "LongTail", labels: Labels, target: Target, parts: Parts, seed: int) -> Parts:
    """The parts after the train split lost rows; UserError for a regression."""
    if long_tail.imbalance_factor == 1:
        return parts
    if target.task == "regression":
        raise UserError(
            f"data.long_tail: the target {target.name!r} is a number, not a class; "
            "set data.long_tail.imbalance_factor=1"
        )
    return long_tail.thin(labels.astype(np.int64), parts, seed)


def row_notes(
    labels: Labels, target: Target, parts: Parts, split: Split, fed: Collection[str]
) -> list[str]:
    """What was decided by rule about rows and classes; columns `fed` feed the network by word."""
    told = []
    if split.by == "column" and (parts == UNUSED).any():
        told.append(f"rows with other values in {split.column!r} are not used")
    column = split_column(split)
    if column and column not in fed:
        told.append(f"{column!r} splits the rows and is not fed to the network")
    if target.task == "regression":
        return told
    counts = np.bincount(labels[parts != UNUSED].astype(np.int64), minlength=len(target.classes))
    trained = np.bincount(labels[parts == TRAIN].astype(np.int64), minlength=len(target.classes))
    unseen = [target.classes[code] for code in np.flatnonzero(trained == 0)]
    if unseen:
        told.append(f"classes without a row in train, never predicted: {', '.join(unseen)}")
    for rows in range(1, _FEW_ROWS):
        few = [target.classes[code] for code in np.flatnonzero(counts == rows)]
        where = "train" if rows == 1 else "train and one other part"
        if few and split.by == "target":
            told.append(f"classes with {rows} row{'s' * (rows > 1)}, in {where}: {', '.join(few)}")
    return told


def _values(table: RawTable, split: Split) -> "pd.Series[Any] | None":
    """The split's column; for a split in time as numbers or times."""
    if split.column is None or (split.by == "time" and split.column == ROW_ORDER):
        return None
    values = table.frame[split.column]
    if split.by != "time" or is_numeric_dtype(values):
        return values
    try:
        return to_times(values)
    except Mismatch as found:
        raise UserError(
            f"{table.place(found.position)}: data.split.column={split.column}: {found.reason}; "
            "correct the cell, or split in another way with data.split.by="
        ) from found
