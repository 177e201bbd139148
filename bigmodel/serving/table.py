"""The inputs of the V2 protocol as the columns of a table."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.data.schema import Column
from bigmodel.data.texts import closest
from bigmodel.serving import records
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


@dataclass(frozen=True)
class Table:
    """The rows of a request, column by column.

    `matrix` (rows, columns) has the columns `numeric`, where they came together; `columns` has the
    cells of each of the others, or of all.
    """

    rows: int
    columns: Mapping[str, Cells]
    numeric: Sequence[str]
    matrix: NDArray[Any] | None

    def packed(self, hidden: Collection[str]) -> bytes:
        """The rows as the store keeps them, without these columns."""
        columns = {name: cells for name, cells in self.columns.items() if name not in hidden}
        if self.matrix is None or not set(self.numeric) & set(hidden):
            return records.packed(columns, self.numeric, self.matrix)
        kept = [index for index, name in enumerate(self.numeric) if name not in hidden]
        return records.packed(columns, [self.numeric[i] for i in kept], self.matrix[:, kept])


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
    matrix = None
    for tensor in tensors:
        if tensor.shape[0] != rows:
            raise invalid(
                f"{tensor.shape[0]:,} rows, where {tensors[0].name!r} has {rows:,}", tensor.field
            )
        if tensor.name == MATRIX and MATRIX not in columns:
            matrix = _matrix(tensor, len(numeric), numeric)
        else:
            _fits(tensor, columns)
            found[tensor.name] = _decoded(tensor, columns[tensor.name])
    if isinstance(matrix, list):
        found = dict(zip(numeric, zip(*matrix, strict=True), strict=True)) | found
        matrix = None
    elif matrix is not None and not found.keys().isdisjoint(numeric):
        found = dict(zip(numeric, np.ascontiguousarray(matrix.T), strict=True)) | found
        matrix = None
    for name in columns if matrix is None else columns.keys() - set(numeric):
        if name not in found:
            raise invalid(f"the input {name!r} is missing", f"inputs.{name}")
    return Table(rows, found, numeric, matrix)


def place(row: int, column: str) -> str:
    """A cell, as a request of the protocol has it."""
    return f"inputs.{column}[{row}]"


def _matrix(tensor: Tensor, width: int, numeric: Sequence[str]) -> Any:
    """Its rows, each with a cell for each column."""
    if tensor.shape[1:] != (width,):
        raise invalid(f"the shape has to be [rows, {width}]: {', '.join(numeric)[:200]}",
                      tensor.field)  # fmt: skip
    cells = tensor.cells
    if isinstance(cells, np.ndarray):
        return cells.reshape(-1, width)
    return [cells[start : start + width] for start in range(0, len(cells), width)]


def _fits(tensor: Tensor, columns: Mapping[str, Column]) -> None:
    """Raise ApiError 422 unless it is one of these columns."""
    if tensor.name not in columns:
        near = closest(tensor.name, columns)
        hint = f"is {near!r} meant?" if near else f"it has {', '.join(columns)[:200]}"
        raise invalid(f"the model has no such input; {hint}", tensor.field)
    if tensor.shape[1:] not in ((), (1,)):
        raise invalid("the shape of a column is [rows] or [rows, 1]", tensor.field)


def _decoded(tensor: Tensor, column: Column) -> Cells:
    """Texts that came as bytes are UTF-8; the bytes of an image stay bytes."""
    if isinstance(tensor.cells, np.ndarray) or column.kind == "image":
        return tensor.cells
    try:
        return [cell.decode() if type(cell) is bytes else cell for cell in tensor.cells]
    except UnicodeDecodeError:
        raise invalid("a text is not UTF-8", tensor.field) from None
