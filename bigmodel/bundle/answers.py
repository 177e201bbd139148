"""Answers written to a file piece by piece: CSV or Parquet, by the file's suffix."""

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bigmodel.errors import UserError
from bigmodel.files import atomic

SUFFIXES = (".csv", ".csv.gz", ".parquet")


@contextmanager
def answers_file(path: Path | str) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Yield a function that appends a frame; the file appears, whole, when the block ends well.

    Every frame has the columns of the first one. Raises UserError on a suffix without a format.
    """
    path = Path(path)
    check_suffix(path)
    with atomic(path) as file, _packed(path, file) as sink:
        writer: Any = None

        def append(frame: pd.DataFrame) -> None:
            nonlocal writer
            if writer is None:
                table = pa.Table.from_pandas(frame, preserve_index=False)
                writer = _writer(path, sink, table.schema.remove_metadata())
            table = pa.Table.from_pandas(frame, schema=writer.schema, preserve_index=False)
            writer.write_table(table)

        yield append
        if writer is not None:
            writer.close()


def check_suffix(path: Path) -> None:
    """Raise UserError unless the suffix names a format that can be written."""
    if not path.name.lower().endswith(SUFFIXES):
        raise UserError(
            f"output={path}: the name must say the format; end it with one of {', '.join(SUFFIXES)}"
        )


def _packed(path: Path, file: IO[bytes]) -> AbstractContextManager[Any]:
    """The file itself, or gzip into it, without a time stamp: equal answers are equal bytes."""
    if path.suffix.lower() == ".gz":
        return gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=4, mtime=0)
    return nullcontext(file)


class _CsvWriter:
    """CSV with a header, quotes only where they are needed, and empty cells for no value."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(schema.names)
        sink.write(header.getvalue().encode())
        options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
        self._writer = pa_csv.CSVWriter(sink, schema, write_options=options)
        self.schema = schema
        self.write_table, self.close = self._writer.write_table, self._writer.close


def _writer(path: Path, sink: IO[bytes], schema: pa.Schema) -> Any:
    if path.suffix.lower() == ".parquet":
        texts = [field.name for field in schema if not pa.types.is_floating(field.type)]
        return pq.ParquetWriter(sink, schema, use_dictionary=texts)
    return _CsvWriter(sink, schema)
