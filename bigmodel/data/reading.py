"""Tables from files: whole for training, in pieces for prediction, checked against a schema."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.convert import Mismatch, convert
from bigmodel.data.csv_table import CsvTable
from bigmodel.data.image.frames import Skipped, decoded_column, image_of, with_files
from bigmodel.data.parquet_table import ParquetTable
from bigmodel.data.schema import Column, Schema
from bigmodel.data.sources import is_parquet, parts
from bigmodel.data.structure import place_of_row
from bigmodel.data.target import encode_target, target_column
from bigmodel.data.text import folder
from bigmodel.data.texts import MARKERS, closest, compact
from bigmodel.data.threads import in_threads
from bigmodel.errors import UserError

Place = Callable[[int], str]  # where a row (from 0) of a table is, for messages


@dataclass(frozen=True)
class RawTable:
    """A table as it came, and how to name a row of it."""

    frame: pd.DataFrame
    place: Place
    name: str
    notes: tuple[str, ...] = ()  # what was decided by rule when it was read


def read_frame(
    path: str | Path,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    as_text: Collection[str] = (),
    skip: Collection[str] = (),
) -> RawTable:
    """A whole CSV or Parquet table: a file (gz and zip too), a glob or a directory.

    The columns `as_text` of a CSV stay as they are written; those to `skip` may hold anything.
    Raises UserError, naming the file and the line, when it cannot be read as it is meant.
    """
    files = parts(path)
    if is_parquet(files[0]):
        parquet = ParquetTable.open(files)
        return RawTable(_compact(parquet.read(skip)), parquet.place, str(path))
    table = CsvTable.open(files, separator, encoding)

    def place(row: int) -> str:
        return place_of_row(files, table.dialect, row)

    return RawTable(_compact(table.read(as_text)), place, str(path))


def _compact(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of text by their distinct values, in place: less to hold, and to look at."""
    texts = [name for name in frame.columns if frame[name].dtype == "str"]
    for name, values in zip(texts, in_threads(lambda n: compact(frame[n]), texts), strict=True):
        frame[name] = values
    return frame


def iter_frames(path: str | Path, schema: Schema, chunk_rows: int) -> Iterator[pd.DataFrame]:
    """The rows of a table in frames of at most `chunk_rows`, with the schema's columns and dtypes.

    Other columns are ignored. Memory holds one frame, whatever the size of the table. A model of
    images also takes a folder or a zip of them; broken images are skipped, with a line each on
    standard error. Raises UserError naming the column that is missing, or the row whose cell does
    not fit its column.
    """
    skipped = Skipped()
    for frame, _ in _conformed(path, schema.columns, chunk_rows, skipped):
        yield frame
    skipped.finish()


def iter_labelled(
    path: str | Path, schema: Schema, chunk_rows: int
) -> Iterator[tuple[pd.DataFrame, NDArray[np.int64] | NDArray[np.float32]]]:
    """As `iter_frames`, each frame with its targets as the network has them, (n,).

    Raises UserError naming the row of a label that is empty or unknown to the model.
    """
    target, skipped = schema.target, Skipped()
    columns = (*schema.columns, target_column(target))
    for frame, place in _conformed(path, columns, chunk_rows, skipped, target.name):
        try:
            encoded = encode_target(frame[target.name], target)
        except Mismatch as found:
            raise UserError(
                f"{place(found.position)}: {target.name}: {found.reason}; correct the label"
            ) from found
        yield frame.drop(columns=target.name), encoded
    skipped.finish()


def conform(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """A frame from a user's own hands, with the schema's columns and dtypes, on its own index.

    Raises UserError as `iter_frames` does; rows are named by their position, from 0.
    """
    frame = with_files(frame, schema.columns)
    check_columns(list(map(str, frame.columns)), schema.columns, "the frame")
    frame = conform_columns(frame, schema.columns, _position, trained=True)
    image = image_of(schema.columns)
    if image is None:
        return frame

    def refuse(row: int, reason: str) -> None:
        raise UserError(f"{_position(row)}: column {image.name!r}: the image {reason}")

    return decoded_column(frame, image, refuse)[0]


def _position(row: int) -> str:
    return f"the frame: row {row} (from 0)"


def conform_columns(
    frame: pd.DataFrame, columns: Sequence[Column], place: Place, trained: bool
) -> pd.DataFrame:
    """The columns, converted; a cell that does not fit is a UserError that names its place."""
    converted = {}
    for column in columns:
        try:
            converted[column.name] = convert(frame[column.name], column)
        except Mismatch as found:
            raise misfit(found, column, place, trained) from found
    return pd.DataFrame(converted, index=frame.index, copy=False)


def misfit(found: Mismatch, column: Column, place: Place, trained: bool) -> UserError:
    """A cell that does not fit its column, as a line for the user.

    Before the model was `trained`, the user may still decide that the column is of another kind.
    """
    fix = (
        f"the model takes {column.kind} values there; correct the cell"
        if trained
        else f"correct the cell, or set data.kinds.{column.name}=categorical"
    )
    return UserError(f"{place(found.position)}: column {column.name!r}: {found.reason}; {fix}")


def _conformed(
    path: str | Path,
    columns: Sequence[Column],
    chunk_rows: int,
    skipped: Skipped,
    target: str | None = None,
) -> Iterator[tuple[pd.DataFrame, Place]]:
    """Frames of a table with these columns, each with where its rows are; images are decoded."""
    if image_of(columns) is None:
        return rows_of_file(path, columns, chunk_rows)
    from bigmodel.data.image.reading import rows_with_images  # which needs this module

    return rows_with_images(path, columns, chunk_rows, skipped, target)


def rows_of_file(
    path: str | Path, columns: Sequence[Column], chunk_rows: int
) -> Iterator[tuple[pd.DataFrame, Place]]:
    """Frames of a file with these columns, each with where its rows are."""
    names = frozenset(column.name for column in columns)
    start = 0
    if folder.is_folder(path, names):
        for chunk in folder.iterate(path, chunk_rows):
            yield conform_columns(chunk, columns, _position, trained=True), _position
        return
    files = parts(path)
    if is_parquet(files[0]):
        parquet = ParquetTable.open(files)
        check_columns(parquet.header, columns, str(path))
        chunks, place = parquet.iterate(names, chunk_rows), parquet.place
    else:
        table = CsvTable.open(files, known=names)
        check_columns(table.dialect.header, columns, str(path))
        numbers = {c.name for c in columns if c.kind in ("numeric", "cost")}
        missing = {name: MARKERS if name in numbers else () for name in names}
        chunks = table.iterate(missing, names - numbers, chunk_rows)
        place = lambda row: place_of_row(files, table.dialect, row)  # noqa: E731
    for chunk in chunks:

        def here(row: int, start: int = start) -> str:
            return place(start + row)

        yield conform_columns(chunk, columns, here, trained=True), here
        start += len(chunk)


def check_columns(header: Sequence[str], columns: Sequence[Column], place: str) -> None:
    """Raise UserError for the first of `columns` that a table with this header lacks."""
    for column in columns:
        if column.name not in header:
            near = closest(column.name, header)
            hint = f"is {near!r} meant? Rename it" if near else "add it (empty if unknown)"
            raise UserError(f"{place}: the column {column.name!r} is missing; {hint}")
