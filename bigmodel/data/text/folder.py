"""A folder of texts: one `.txt` file each, in a folder named by its class."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from bigmodel.data.charset import detect_encoding
from bigmodel.errors import UserError

FILE, TEXT, LABEL = "file", "text", "label"  # the columns that it makes


def is_folder(path: str | Path, columns: Collection[str]) -> bool:
    """Whether these are the columns of such a folder, and `path` is one."""
    place = Path(path).expanduser()
    return {FILE, TEXT} <= set(columns) <= {FILE, TEXT, LABEL} and place.is_dir()


def has_classes(path: str | Path) -> bool:
    """Whether `path` holds folders with `.txt` files."""
    place = Path(path).expanduser()
    return place.is_dir() and next(place.glob("*/*.txt"), None) is not None


def stamps(path: str | Path) -> list[tuple[str, int, int]]:
    """What tells whether the folder is still the same: names, sizes and times of its files."""
    place = Path(path).expanduser()
    found = ((file, file.stat()) for file in _files(place))
    return [(_name(file, place), told.st_size, told.st_mtime_ns) for file, told in found]


def iterate(
    path: str | Path, chunk_rows: int, encoding: str | None = None
) -> Iterator[pd.DataFrame]:
    """The texts in the order of their names, `chunk_rows` at a time, each with its class folder.

    Raises UserError, naming the file, where one is no text, and when there is none.
    """
    place = Path(path).expanduser()
    files = _files(place)
    for start in range(0, len(files), chunk_rows):
        chosen = files[start : start + chunk_rows]
        rows = {
            FILE: [_name(file, place) for file in chosen],
            TEXT: [_read(file, encoding) or None for file in chosen],
            LABEL: [file.parent.name for file in chosen],
        }
        yield pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in rows.items()})


def read(path: str | Path, encoding: str | None = None) -> pd.DataFrame:
    """All texts of the class folders, as one table."""
    return pd.concat(iterate(path, 10_000, encoding), ignore_index=True)


def _files(place: Path) -> list[Path]:
    found = sorted(file for file in place.rglob("*.txt") if not file.name.startswith("."))
    if not found:
        raise UserError(f"{place}: no .txt file in this folder; put texts there")
    return found


def _name(file: Path, place: Path) -> str:
    return file.relative_to(place).as_posix()


def _read(file: Path, encoding: str | None) -> str:
    content = file.read_bytes()
    try:
        return content.decode(encoding or detect_encoding(content, file)).strip()
    except (UnicodeDecodeError, LookupError) as error:
        raise UserError(
            f"{file}: cannot be read as text ({error}); save it as UTF-8, or name its encoding "
            "with data.encoding="
        ) from error
