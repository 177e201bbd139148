"""Columns of images: many decoded at once, and what becomes of those that cannot be."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bigmodel.data.image.decode import Broken, Pixels, Shape, ZipMember, decode
from bigmodel.data.image.folder import FILE
from bigmodel.data.schema import Column
from bigmodel.data.texts import some
from bigmodel.data.threads import in_threads
from bigmodel.errors import UserError

_BLOCK = 64  # images a thread takes at a time
_AT_ONCE = 1 << 26  # bytes of pixels in a frame of a batch prediction
_NAMED = 10  # broken images that are named before the others are only counted


class Decoded(NamedTuple):
    """The pixels of n images, (n, channels, height, width), and what is wrong with which of them.

    Those of a broken one are 0.
    """

    pixels: Pixels
    broken: dict[int, str]


def decode_all(sources: Sequence[Any], shape: Shape) -> Decoded:
    """Decode in as many threads as there are cores."""
    pixels = np.zeros((len(sources), *shape), dtype=np.uint8)
    broken: dict[int, str] = {}

    def work(start: int) -> None:
        for at in range(start, min(start + _BLOCK, len(sources))):
            try:
                pixels[at] = decode(sources[at], shape)
            except Broken as reason:
                broken[at] = str(reason)

    in_threads(work, range(0, len(sources), _BLOCK))
    return Decoded(pixels, dict(sorted(broken.items())))


@dataclass(frozen=True)
class ImageEncoding:
    """The column of images: its cells become pixels of `shape` (channels, height, width)."""

    name: str
    shape: Shape

    def pixels(self, values: "pd.Series[Any]") -> Pixels:
        """(n, channels, height, width) uint8. Raises UserError naming the row that is broken."""
        found = decode_all(values.to_list(), self.shape)
        for row, reason in found.broken.items():
            raise UserError(f"row {row} (from 0): column {self.name!r}: the image {reason}")
        return found.pixels


def image_of(columns: Sequence[Column]) -> Column | None:
    """The column of images, where there is one."""
    return next((column for column in columns if column.kind == "image"), None)


def rows_at_once(column: Column, chunk_rows: int) -> int:
    """How many rows of images a frame holds at most."""
    assert column.shape is not None
    return max(1, min(chunk_rows, _AT_ONCE // max(1, int(np.prod(column.shape)))))


def with_files(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """The frame with the id column `file`, where it has images and lacks it: their own names."""
    image = image_of(columns)
    wanted = image is not None and any(c.name == FILE and c.kind == "id" for c in columns)
    if image is None or not wanted or FILE in frame or image.name not in frame:
        return frame
    names = pd.Series([_name(cell) for cell in frame[image.name]], dtype="str", index=frame.index)
    return frame.assign(**{FILE: names})


def resolved(values: "pd.Series[Any]", table: Path) -> "pd.Series[Any]":
    """The paths of a table's column, relative ones from the folder of the table."""
    folder = table if table.is_dir() else table.parent
    cells = [folder / cell if isinstance(cell, str) and cell else cell for cell in values]
    return pd.Series(cells, index=values.index, name=values.name, dtype=object)


def decoded_column(
    frame: pd.DataFrame, column: Column, refuse: Callable[[int, str], None]
) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """The frame with pixels in its column of images, and which of its rows are left, (m,).

    `refuse` is told the position and the reason of each broken image; it may raise.
    """
    assert column.shape is not None
    found = decode_all(frame[column.name].to_list(), column.shape)
    for row, reason in found.broken.items():
        refuse(row, reason)
    kept = np.setdiff1d(np.arange(len(frame)), list(found.broken))
    cells = pd.Series(list(found.pixels), index=frame.index, dtype=object)
    return frame.assign(**{column.name: cells}).iloc[kept], kept


class Skipped:
    """Says on standard error which images a batch leaves out: a line each, later only a number."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, name: str, reason: str) -> None:
        """One more."""
        self.count += 1
        if self.count <= _NAMED:
            print(f"{name}: the image {reason}; skipped", file=sys.stderr)

    def finish(self) -> None:
        """How many there were besides those named."""
        if self.count > _NAMED:
            print(f"and {self.count - _NAMED:,} more images were skipped", file=sys.stderr)


def told(broken: Sequence[tuple[str, str]]) -> str:
    """The first few of the broken images, for a message."""
    return some([f"{name} {reason}" for name, reason in broken], 3)


def _name(cell: Any) -> str | None:
    if isinstance(cell, ZipMember):
        return cell.name
    return str(cell) if isinstance(cell, str | Path) else None
