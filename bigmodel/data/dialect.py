"""How a CSV file is written: its encoding, its separator, its header."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bigmodel.data.charset import detect_encoding, known_encoding
from bigmodel.data.sources import open_bytes
from bigmodel.errors import UserError

SAMPLE = 1 << 18  # bytes that the detection looks at
_RECORDS = 200
_SEPARATORS = {",": ",", ";": ";", "\t": "tab", "|": "|"}


@dataclass(frozen=True)
class Dialect:
    """What it takes to read a file: `header` holds the names of the columns in their order."""

    encoding: str
    separator: str
    header: tuple[str, ...]
    skip_space: bool = False  # the file has a space behind each separator


def detect(
    path: Path,
    separator: str | None = None,
    encoding: str | None = None,
    known: frozenset[str] = frozenset(),
) -> Dialect:
    """Look at the start of a file; what is given is not detected.

    `known` are names of columns that the header should hold: they decide between separators, and
    let a file of one column pass. Raises UserError on an empty file, one without rows, a doubled
    name, or when nothing fits.
    """
    with open_bytes(path) as file:
        head = file.read(SAMPLE)
        whole = len(head) < SAMPLE and not file.read(1)
    if encoding is None:
        encoding = detect_encoding(head if whole else head[: head.rfind(b"\n") + 1] or head, path)
    else:
        encoding = known_encoding(encoding, "data.encoding")
    text = head.decode(encoding, "replace").lstrip("\ufeff")
    if not text.strip():
        raise UserError(f"{path}: the file is empty; give one with a header and rows")
    separator = separator or _detect_separator(text, whole, path, known)
    records = list(_records(text, separator, whole))
    if len(records) < 2:
        raise UserError(f"{path}: has a header but no rows; give a file with rows")
    header, first = records[0], records[1]
    skip_space = all(cell.startswith(" ") for row in (header, first) for cell in row[1:])
    names = [name.strip() for name in header] if skip_space else header
    return Dialect(encoding, separator, _checked(names, path), skip_space and len(names) > 1)


def _detect_separator(text: str, whole: bool, path: Path, known: frozenset[str]) -> str:
    """The separator that splits the most records into as many fields as the header has."""
    best: tuple[float, float, int, str] | None = None
    for separator in _SEPARATORS:
        records = list(_records(text, separator, whole))
        if not records or len(records[0]) < 2:
            continue
        width = len(records[0])
        agreeing = sum(len(record) == width for record in records) / len(records)
        fitting = len(known & {name.strip() for name in records[0]})
        best = max(best or (0.0, 0.0, 0, ""), (fitting, agreeing, width, separator))
    if best is not None and (best[1] >= 0.5 or best[0]):
        return best[3]
    if text.partition("\n")[0].strip('"\r ') in known:
        return ","  # one column: any separator will do
    raise UserError(
        f"{path}: the separator cannot be detected (none of {' '.join(_SEPARATORS.values())} "
        "splits the first lines evenly); name it with data.separator="
    )


def _records(text: str, separator: str, whole: bool) -> Iterator[list[str]]:
    """The first records that are not blank; a last one that may be cut is left out."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines if whole else lines[:-1], delimiter=separator)
    given = 0
    try:
        for record in reader:
            if record:
                yield record
                given += 1
            if given == _RECORDS:
                return
    except csv.Error:
        return  # an endless quoted field: the reading proper will name it


def _checked(names: list[str], path: Path) -> tuple[str, ...]:
    """The names of the columns; one that is empty is named by its place, as pandas does."""
    named = [name or f"Unnamed: {index}" for index, name in enumerate(names)]
    for index, name in enumerate(named):
        if name in named[:index]:
            raise UserError(
                f"{path}: line 1: the column {name!r} is there twice "
                f"(columns {named.index(name) + 1} and {index + 1}); rename one"
            )
    return tuple(named)
