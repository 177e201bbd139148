"""Columns that weigh rows or decide about them: read beside the features, as raw numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bigmodel.data.convert import Mismatch, to_numbers
from bigmodel.data.reading import RawTable
from bigmodel.data.texts import some
from bigmodel.errors import UserError


def side_columns(tables: Mapping[int, RawTable], names: Sequence[str]) -> NDArray[np.float64]:
    """The numbers of these columns in all tables, (n, k) float64.

    NaN where there is none; a ready-made val or test table may lack the column. Raises UserError,
    naming the place, at a cell that is no number.
    """
    return np.concatenate([_of_table(table, names) for table in tables.values()])


def side_notes(names: Sequence[str], kinds: Mapping[str, str]) -> list[str]:
    """What there is to say of them."""
    only = [name for name in names if kinds.get(name, "cost") == "cost"]
    if not only:
        return []
    return [
        f"{some(only)}: only for weights and costs, not fed to the network "
        "(data.kinds.NAME=numeric feeds one)"
    ]


def _of_table(table: RawTable, names: Sequence[str]) -> NDArray[np.float64]:
    numbers = np.full((len(table.frame), len(names)), np.nan)
    for index, name in enumerate(names):
        if name not in table.frame:
            continue
        try:
            numbers[:, index] = to_numbers(table.frame[name]).to_numpy(dtype=np.float64)
        except Mismatch as found:
            raise UserError(
                f"{table.place(found.position)}: column {name!r}, which weighs the rows: "
                f"{found.reason}; correct the cell, or name another column"
            ) from found
    return numbers
