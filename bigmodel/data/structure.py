"""The exact, slow look at a CSV file: which line breaks its structure, on which line a row is.

The parser is fast and lenient: it fills short rows, and a quote that nobody closed swallows the
lines that follow. Files that may have such a line are read again here, line by line.
"""

import csv
import io
import sys
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from bigmodel.data.dialect import Dialect
from bigmodel.data.stream import Stream
from bigmodel.errors import UserError

_LOOKED_AT = 200  # records


def check_structure(parts: list[Path], dialect: Dialect, *, strict: bool) -> None:
    """Raise UserError naming the first line with too few or too many fields, or an open quote.

    With `strict`, also the first quoted field that goes on after its closing quote, or that
    holds a whole row of the table: signs of a quote that was never closed.
    """
    width, numeric = len(dialect.header), _number_columns(parts, dialect)
    for part in parts:
        for line, record in _records(part, dialect, strict):
            swallows = any(_swallows_a_row(field, dialect, numeric) for field in record)
            wrong = len(record) != width
            if swallows and (strict or wrong):
                raise _open_quote(part, line)
            if wrong:
                raise UserError(
                    f"{part}: line {line}: has {len(record)} fields, the header has {width}; "
                    "correct the line (a field that holds the separator needs quotes)"
                )


def may_have_short_rows(parts: list[Path], dialect: Dialect) -> bool:
    """A cheap look: False only when every line has as many separators as the header."""
    stream, separators = Stream(parts, dialect), 0
    mark = dialect.separator.encode()
    for block in stream:
        separators += block.count(mark)
    return stream.quoted or separators != stream.lines * (len(dialect.header) - 1)


def place_of_row(parts: list[Path], dialect: Dialect, row: int) -> str:
    """Where the data row `row` (from 0) of the table is: "FILE: line N"."""
    for part in parts:
        for line, _ in _records(part, dialect, strict=False):
            if row == 0:
                return f"{part}: line {line}"
            row -= 1
    return str(parts[-1])


def _records(part: Path, dialect: Dialect, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """The data records of one file, each with the line that it starts on; blank lines are none."""
    reader = csv.reader(
        _lines(part, dialect),
        delimiter=dialect.separator,
        strict=strict,
        skipinitialspace=dialect.skip_space,
    )
    limit = csv.field_size_limit(sys.maxsize)  # else a long text would be an error
    line, header_seen = 1, False
    try:
        for record in reader:
            if record and header_seen:
                yield line, record
            header_seen = header_seen or bool(record)
            line = reader.line_num + 1
    except csv.Error as error:
        raise _open_quote(part, line) from error
    finally:
        csv.field_size_limit(limit)


def _lines(part: Path, dialect: Dialect) -> Iterator[str]:
    """The lines of one file, each with a newline at its end, however the file writes it."""
    rest = b""
    for block in chain(Stream([part], dialect), [b""]):
        whole, newline, rest = (rest + block).rpartition(b"\n") if block else (rest, b"", b"")
        text = (whole + newline).decode(errors="replace")
        yield from io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"))


def _number_columns(parts: list[Path], dialect: Dialect) -> list[int]:
    """The columns that hold numbers in all of the first sound records."""
    width = len(dialect.header)
    numeric = set(range(width))
    for _, record in islice(_records(parts[0], dialect, strict=False), _LOOKED_AT):
        if len(record) == width and not any("\n" in field for field in record):
            numeric = {index for index in numeric if _is_number(record[index])}
    return sorted(numeric)


def _swallows_a_row(field: str, dialect: Dialect, numeric: list[int]) -> bool:
    """Whether a line inside a field looks like a row: as many cells, numbers where they belong."""
    for line in field.splitlines()[1:]:
        cells = line.split(dialect.separator)
        if len(cells) == len(dialect.header) and all(_is_number(cells[i]) for i in numeric):
            return bool(numeric)
    return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _open_quote(part: Path, line: int) -> UserError:
    return UserError(
        f'{part}: line {line}: a quote (") opens here and is not closed in its field; close it, '
        "or double the quotes within the text"
    )
