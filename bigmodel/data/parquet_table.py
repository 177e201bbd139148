"""A Parquet table as a frame, whole or in pieces."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from bigmodel.errors import UserError

_UNSUPPORTED = (types.is_nested, types.is_binary, types.is_large_binary, types.is_time)


@dataclass(frozen=True)
class ParquetTable:
    """The parts of one table, opened."""

    parts: list[Path]
    header: tuple[str, ...]

    @classmethod
    def open(cls, parts: list[Path]) -> "ParquetTable":
        """Read the schema of each part; UserError when one is damaged or has other columns."""
        headers = []
        for part in parts:
            with _opened(part) as file:
                headers.append(tuple(file.schema_arrow.names))
        for part, header in zip(parts, headers, strict=True):
            if set(header) != set(headers[0]):
                name = sorted(set(header) ^ set(headers[0]))[0]
                raise UserError(
                    f"{part}: its columns are not those of {parts[0]} ({name!r} is in one only); "
                    "give all parts the same columns"
                )
            for name in header:
                if header.count(name) > 1:
                    raise UserError(f"{part}: the column {name!r} is there twice; rename one")
        return cls(parts, headers[0])

    def read(self, skip: Collection[str] = ()) -> pd.DataFrame:
        """All rows.

        Raises UserError when there is none, or when a column holds what no network of ours takes
        (lists, records, bytes), unless it is one to `skip`.
        """
        frames = []
        for part in self.parts:
            with _explained(part):
                table = pq.read_table(part, columns=list(self.header))
                frames.append(_frame(table, part, skip))
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        if not len(frame):
            raise UserError(f"{self.parts[0]}: has columns but no rows; give a file with rows")
        return frame

    def iterate(self, columns: Collection[str], chunk_rows: int) -> Iterator[pd.DataFrame]:
        """The named columns, at most `chunk_rows` rows at a time."""
        names = [name for name in self.header if name in columns]
        for part in self.parts:
            with _opened(part) as file:
                for batch in file.iter_batches(chunk_rows, columns=names, use_threads=False):
                    yield _frame(pa.Table.from_batches([batch]), part)

    def place(self, row: int) -> str:
        """Where the row `row` (from 0) of the table is: "FILE: row N", counted from 1."""
        for part in self.parts:
            with _opened(part) as file:
                rows = file.metadata.num_rows
            if row < rows:
                return f"{part}: row {row + 1}"
            row -= rows
        return str(self.parts[-1])


def _frame(table: pa.Table, part: Path, skip: Collection[str] = ()) -> pd.DataFrame:
    """As pandas has it, but for what pandas would make Python objects or inexact numbers of."""
    for index, field in enumerate(table.schema):
        if types.is_decimal(field.type):
            column = table.column(index).cast(pa.float64())
        elif types.is_date(field.type):
            column = table.column(index).cast(pa.timestamp("us"))
        elif not any(is_kind(field.type) for is_kind in _UNSUPPORTED):
            continue
        elif field.name in skip:
            column = pa.nulls(len(table))
        else:
            raise UserError(
                f"{part}: the column {field.name!r} holds {field.type}, which is not supported; "
                f"leave it out with data.drop=[{field.name}]"
            )
        table = table.set_column(index, field.name, column)
    frame: pd.DataFrame = table.to_pandas(types_mapper=_exact_integers(table), ignore_metadata=True)
    return frame


def _exact_integers(table: pa.Table):  # type: ignore[no-untyped-def]
    """Integers with missing values would become floats, and large ones others."""
    gaps = {f.type for f in table.schema if table.column(f.name).null_count}
    return lambda kind: pd.Int64Dtype() if kind == pa.int64() and kind in gaps else None


@contextmanager
def _opened(part: Path) -> Iterator[pq.ParquetFile]:
    """The file, read page by page: by itself, pyarrow holds the columns of a whole row group."""
    with _explained(part), pq.ParquetFile(part, pre_buffer=False, buffer_size=1 << 16) as file:
        yield file


@contextmanager
def _explained(part: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise UserError(
            f"{part}: not a readable Parquet file ({str(error).splitlines()[0]}); "
            "write the file again"
        ) from error
