"""Images for a trained model, in frames: a folder, a zip, or a table with a column of paths."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.csv_table import CsvTable
from bigmodel.data.image.folder import FILE, IMAGE, find_images, holds_images, labelled
from bigmodel.data.image.frames import (
    Skipped,
    decoded_column,
    image_of,
    resolved,
    rows_at_once,
    with_files,
)
from bigmodel.data.parquet_table import ParquetTable
from bigmodel.data.reading import Place, check_columns, conform_columns, rows_of_file
from bigmodel.data.schema import Column
from bigmodel.data.sources import is_parquet, parts
from bigmodel.data.splits import TEST, TRAIN
from bigmodel.data.texts import plain

Frames = Iterator[tuple[pd.DataFrame, Place]]


def rows_with_images(
    path: str | Path,
    columns: Sequence[Column],
    chunk_rows: int,
    skipped: Skipped,
    target: str | None = None,
) -> Frames:
    """Frames with these columns and decoded images, each with where its rows are.

    Rows whose image is broken are left out, and `skipped` is told. With a `target`, the folders of
    images are its classes.
    """
    image = image_of(columns)
    assert image is not None
    chunk_rows = rows_at_once(image, chunk_rows)
    if holds_images(path):
        frames = _folder(path, columns, image, chunk_rows, target)
    else:
        frames = _table(path, columns, image, chunk_rows)
    for frame, place in frames:

        def skip(row: int, reason: str, place: Place = place) -> None:
            skipped.add(place(row), reason)

        sound, kept = decoded_column(frame.reset_index(drop=True), image, skip)

        def here(row: int, kept: NDArray[np.int64] = kept, place: Place = place) -> str:
            return place(int(kept[row]))

        yield sound.reset_index(drop=True), here


def _folder(
    path: str | Path, columns: Sequence[Column], image: Column, chunk_rows: int, target: str | None
) -> Frames:
    """The images of a folder or a zip; of a labelled one with splits, those of the test."""
    images = find_images(path)
    frame = images.frame
    if target is not None:
        found = labelled(images, target)
        frame = found.get(TEST, found[TRAIN])
    frame = frame.rename(columns={IMAGE: image.name})
    check_columns(list(frame.columns), columns, str(path))
    for start in range(0, len(frame), chunk_rows):
        chunk = frame.iloc[start : start + chunk_rows]

        def here(row: int, of: "pd.Series[str]" = chunk[FILE]) -> str:
            return images.where(of.iloc[row])

        yield conform_columns(chunk, columns, here, trained=True), here


def _table(path: str | Path, columns: Sequence[Column], image: Column, chunk_rows: int) -> Frames:
    """The rows of a table with a column of paths, which also name the images where none does."""
    files = parts(path)
    derived = FILE not in _header(files)
    asked = [
        replace(column, kind="text") if column is image else column
        for column in columns
        if not (derived and column.name == FILE)
    ]
    for frame, place in rows_of_file(path, asked, chunk_rows):
        named = with_files(frame, columns)
        cells = resolved(plain(frame[image.name]), files[0])
        yield named.assign(**{image.name: cells})[[column.name for column in columns]], place


def _header(files: list[Path]) -> Sequence[str]:
    if is_parquet(files[0]):
        return ParquetTable.open(files).header
    return CsvTable.open(files).dialect.header
