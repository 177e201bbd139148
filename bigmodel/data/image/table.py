"""The images of a table for training: their shape, their pixels, and those that are left out."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xxhash
from numpy.typing import NDArray

from bigmodel.data.image.decode import Broken, Pixels, Shape, decode, encode, read, size_of
from bigmodel.data.image.frames import decode_all, told
from bigmodel.data.reading import RawTable
from bigmodel.data.threads import in_threads
from bigmodel.errors import UserError

_SAMPLE = 256  # images that are looked at to decide on size and colour
_LARGEST = 64  # pixels a side, unless told: a network's time grows with their square
_FEW_BROKEN, _SHARE_BROKEN = 5, 0.05  # more than both: something else is wrong than a few files
_LARGE_FILE = 1 << 16  # bytes: of larger ones a bundle keeps the pixels instead


@dataclass(frozen=True)
class ImageSettings:
    """Which column holds the images, and what their pixels are to be; None is decided by them."""

    column: str
    size: tuple[int, int] | None = None
    channels: int | None = None


@dataclass(frozen=True)
class Pictures:
    """The decoded images of all rows of the tables: pixels (n, channels, height, width)."""

    column: str
    pixels: Pixels
    sound: NDArray[np.bool_]
    notes: list[str]

    @property
    def shape(self) -> Shape:
        """Of one image."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    def as_texts(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with a name of each image's content in its place: equal ones are duplicates."""
        names = [xxhash.xxh3_64(image.tobytes()).hexdigest() for image in self.pixels]
        return frame.assign(**{self.column: pd.Series(names, dtype="str", index=frame.index)})

    def self_contained(self, sample: pd.DataFrame) -> pd.DataFrame:
        """Some rows of the frame, by its index, with the bytes of files in place of their paths."""
        cells = [
            _portable(cell, self.pixels[row])
            for row, cell in zip(sample.index, sample[self.column], strict=True)
        ]
        return sample.assign(**{self.column: pd.Series(cells, index=sample.index, dtype=object)})


def pictures(tables: Mapping[int, RawTable], settings: ImageSettings | None) -> Pictures | None:
    """The images of the tables, one below the other; None where there are none.

    Raises UserError when too many of them cannot be read.
    """
    if settings is None:
        return None
    cells = [cell for t in tables.values() for cell in t.frame[settings.column].to_list()]
    names = [(t, row) for t in tables.values() for row in range(len(t.frame))]
    found = decode_all(cells, _shape(cells, settings))
    sound = np.ones(len(cells), dtype=bool)
    sound[list(found.broken)] = False
    notes = []
    if found.broken:
        some = list(found.broken.items())[:_FEW_BROKEN]
        lines = told([(_place(*names[row]), reason) for row, reason in some])
        counted = f"{len(found.broken):,} of {len(cells):,} images cannot be read"
        most = max(_FEW_BROKEN, _SHARE_BROKEN * len(cells))
        if len(found.broken) > most or not sound.any():
            raise UserError(
                f"{next(iter(tables.values())).name}: {counted} ({lines}); "
                "correct the files, or leave them out"
            )
        notes.append(f"{counted} and are left out: {lines}")
    return Pictures(settings.column, found.pixels, sound, notes)


def _shape(cells: Sequence[Any], settings: ImageSettings) -> Shape:
    """What the settings leave open, decided by a sample: the same one for the same table."""
    size, channels = settings.size, settings.channels
    if size is not None and channels is not None:
        return channels, *size
    rng = np.random.default_rng(0)
    sample = [cells[i] for i in np.sort(rng.permutation(len(cells))[:_SAMPLE])]
    if size is None:
        sides = [side for side in in_threads(_side, sample) if side]
        side = min(_LARGEST, int(statistics.median_low(sides or [_LARGEST])))
        size = (side, side)
    if channels is None:
        height, width = size
        found = decode_all(sample, (3, height, width)).pixels
        channels = 1 if (found == found[:, :1]).all() else 3
    return channels, *size


def _side(cell: Any) -> int:
    """The shorter side; 0 where it is broken."""
    try:
        return min(size_of(cell))
    except Broken:
        return 0


def _portable(cell: Any, pixels: Pixels) -> bytes:
    content = cell if isinstance(cell, np.ndarray) else read(cell)
    if isinstance(content, bytes) and len(content) <= _LARGE_FILE:
        return content
    small = encode(pixels)
    assert (decode(small, pixels.shape) == pixels).all()
    return small


def _place(table: RawTable, row: int) -> str:
    cell = table.frame.iloc[row].get("file")
    return Path(cell).name if isinstance(cell, str) and cell else table.place(row)
