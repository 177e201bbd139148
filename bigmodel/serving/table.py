"""The inputs of the V2 protocol as the columns of a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bigmodel.data.schema import Column
from bigmodel.data.texts import closest
from bigmodel.serving.cells import Cells
from bigmodel.serving.errors import ApiError, invalid
from bigmodel.serving.tensors import Tensor

MATRIX = "numeric"  # one tensor for all columns that are just numbers, in their order

# a missing value is NaN in a tensor of numbers, and the empty text in one of texts
DATATYPES = {
    "numeric": "FP64",
    "cost": "FP64",
    "boolean": "BOOL",
    "datetime": "BYTES",
    "categorical": "BYTES",
    "text": "BYTES",
    "image": "BYTES",
}


class Table(Sequence[Mapping[str, Any]]):
    """The rows of a request as objects, each made when somebody asks for it."""

    def __init__(self, columns: Mapping[str, Cells], rows: int) -> None:
        self.columns, self._rows = columns, rows

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """All of them, at the price of few."""
        cells = [c.tolist() if isinstance(c, np.ndarray) else c for c in self.columns.values()]
        return (dict(zip(self.columns, row, strict=True)) for row in zip(*cells, strict=True))

    def __getitem__(self, row: Any) -> Any:
        if not 0 <= row < self._rows:
            raise IndexError(row)
        return {name: _plain(cells[row]) for name, cells in self.columns.items()}


def table_of(
    tensors: Sequence[Tensor], columns: Mapping[str, Column], numeric: Sequence[str], most: int
) -> Table:
    """The tensors as a table that has all of `columns`; `numeric` are those of the matrix.

    Raises ApiError: 422 where they do not fit together, 413 with more than `most` rows.
    """
    rows = tensors[0].shape[0]
    if rows > most:
        raise ApiError(413, "too_many_rows", f"at most {most:,} rows in a request", "inputs")
    found: dict[str, Cells] = {}
    for tensor in tensors:
        if tensor.shape[0] != rows:
            raise invalid(
                f"{tensor.shape[0]:,} rows, where {tensors[0].name!r} has {rows:,}", tensor.field
            )
        if tensor.name == MATRIX and MATRIX not in columns:
            found |= _split(tensor, numeric)
        elif tensor.name in columns:
            if tensor.shape[1:] not in ((), (1,)):
                raise invalid("the shape of a column is [rows] or [rows, 1]", tensor.field)
            found[tensor.name] = _decoded(tensor, columns[tensor.name])
        else:
            near = closest(tensor.name, columns)
            hint = f"is {near!r} meant?" if near else f"it has {', '.join(columns)[:200]}"
            raise invalid(f"the model has no such input; {hint}", tensor.field)
    for name in columns:
        if name not in found:
            raise invalid(f"the input {name!r} is missing", f"inputs.{name}")
    return Table({name: found[name] for name in columns}, rows)


def place(row: int, column: str) -> str:
    """A cell, as a request of the protocol has it."""
    return f"inputs.{column}[{row}]"


def _split(tensor: Tensor, numeric: Sequence[str]) -> dict[str, Cells]:
    """The columns of the matrix."""
    width = len(numeric)
    if tensor.shape[1:] != (width,):
        raise invalid(f"the shape has to be [rows, {width}]: {', '.join(numeric)[:200]}",
                      tensor.field)  # fmt: skip
    cells = tensor.cells
    if isinstance(cells, np.ndarray):
        return dict(zip(numeric, cells.reshape(-1, width).T, strict=True))
    return {name: cells[index::width] for index, name in enumerate(numeric)}


def _decoded(tensor: Tensor, column: Column) -> Cells:
    """Texts that came as bytes are UTF-8; the bytes of an image stay bytes."""
    if isinstance(tensor.cells, np.ndarray) or column.kind == "image":
        return tensor.cells
    try:
        return [cell.decode() if type(cell) is bytes else cell for cell in tensor.cells]
    except UnicodeDecodeError:
        raise invalid("a text is not UTF-8", tensor.field) from None


def _plain(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell
