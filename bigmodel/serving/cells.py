"""The cells of one column, as JSON or a tensor brings them, to what the encoder takes.

JSON has types, so nothing is guessed from texts here: a number is a number, not "3.5". What a cell
means is otherwise as in `bigmodel.data.convert`, which reads tables.
"""

import binascii
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.convert import LARGEST, Mismatch, to_times
from bigmodel.data.encodings import numbers as seconds_of
from bigmodel.data.image.decode import Pixels
from bigmodel.data.image.frames import ImageEncoding, decode_all
from bigmodel.data.quantiles import Floats
from bigmodel.data.schema import Column
from bigmodel.serving.errors import ApiError, invalid

Cells = Sequence[Any] | NDArray[Any]
Place = Callable[[int, str], str]  # of a row and a column: how the request names this cell

NUMBERS = frozenset((int, float, bool, type(None)))
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{3}|\.\d{6})?)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def numbers(cells: Cells, column: Column, place: Place) -> Floats:
    """A numeric, boolean, datetime or cost column: float64 (n,), NaN where missing, seconds.

    Raises ApiError 422 naming the first cell that does not fit.
    """
    if column.kind == "datetime":
        return times(cells, column, place)
    if not isinstance(cells, np.ndarray):
        for row, cell in enumerate(cells):
            if type(cell) not in NUMBERS:
                raise _misfit(row, cell, column, place)
    values = np.array(cells, dtype=np.float64)
    bad = ~(np.abs(values) < LARGEST) & ~np.isnan(values)
    if column.kind == "boolean":
        bad |= ~np.isin(values, (0.0, 1.0)) & ~np.isnan(values)
    if column.kind == "cost":
        bad |= np.isnan(values)
    if bad.any():
        row = int(bad.argmax())
        raise _misfit(row, cells[row], column, place)
    return values


def times(cells: Cells, column: Column, place: Place) -> Floats:
    """ISO 8601 texts to seconds since 1970, UTC where they have no zone; NaN where missing."""
    found = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if isinstance(cell, str) and cell:
            found[row] = _seconds(row, cell, column, place)
        elif cell is not None and cell != "":
            raise _misfit(row, cell, column, place)
    return found


def _seconds(row: int, text: str, column: Column, place: Place) -> float:
    if _TIME.fullmatch(text):  # the usual forms, a hundred times as fast as by pandas
        try:
            stamp = datetime.fromisoformat(text)
        except ValueError:
            raise _misfit(row, text, column, place) from None
        stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
        return ((stamp - _EPOCH) // _MICROSECOND) / 1e6
    try:
        return float(seconds_of(to_times(pd.Series([text], dtype="str")))[0])
    except Mismatch:
        raise _misfit(row, text, column, place) from None


def categories(cells: Cells, column: Column, place: Place) -> list[str | None]:
    """Texts, None where missing; numbers and booleans are the texts that a table has of them."""
    return [
        (cell or None) if type(cell) is str else _category(row, cell, column, place)
        for row, cell in enumerate(cells)
    ]


def _category(row: int, cell: Any, column: Column, place: Place) -> str | None:
    if cell is None:
        return None
    cell = cell.item() if isinstance(cell, np.generic) else cell
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else str(cell)
    if isinstance(cell, bool | int):
        return str(cell)
    raise _misfit(row, cell, column, place)


def texts(cells: Cells, column: Column, place: Place) -> list[str]:
    """Texts, "" where one is missing."""
    for row, cell in enumerate(cells):
        if type(cell) is not str and cell is not None:
            raise _misfit(row, cell, column, place)
    return [cell or "" for cell in cells]


def pixels(cells: Cells, encoding: ImageEncoding, column: Column, place: Place) -> Pixels:
    """Image files, as bytes or in base64, decoded: (n, channels, height, width) uint8.

    A cell is never taken for a path: nobody reads the server's files.
    """
    files = [_file(row, cell, column, place) for row, cell in enumerate(cells)]
    found = decode_all(files, encoding.shape)
    for row, reason in found.broken.items():
        raise invalid(f"the image {reason}", place(row, column.name))
    return found.pixels


def _file(row: int, cell: Any, column: Column, place: Place) -> bytes:
    if type(cell) is bytes:
        return cell
    if type(cell) is not str:
        raise _misfit(row, cell, column, place)
    content = cell.partition(",")[2] if cell.startswith("data:") else cell
    try:
        return binascii.a2b_base64(content, strict_mode=True)
    except ValueError:  # also for letters beyond ASCII
        raise invalid("not an image file in base64", place(row, column.name)) from None


WANTED = {
    "numeric": f"a number below {LARGEST:g}, or null",
    "cost": f"a number below {LARGEST:g}: the decision needs it",
    "boolean": "true, false or null",
    "datetime": "a time such as 2026-01-31T12:00:00, or null",
    "categorical": "a text, or null",
    "text": "a text, or null",
    "image": "an image file in base64",
}


def _misfit(row: int, cell: Any, column: Column, place: Place) -> ApiError:
    shown = repr(cell)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
    message = f"column {column.name!r} takes {WANTED[column.kind]}, not {shown}"
    return invalid(message, place(row, column.name))
