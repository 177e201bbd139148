"""Where a table is: one file, several parts of one table, plain or packed."""

import glob
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from bigmodel.errors import UserError

_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".gz", ".zip")
_GZIP, _ZIP, _PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"


def parts(path: str | Path) -> list[Path]:
    """The files of a table, in sorted order: `path` is a file, a glob or a directory.

    Raises UserError when there is none, or an empty one.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        found = sorted(p for p in place.iterdir() if _is_table(p))
        if not found:
            raise UserError(
                f"{path}: no table in this directory; put files ending with "
                f"{', '.join(_TABLES)} there, or name a file"
            )
    elif place.exists():
        found = [place]
    else:
        found = sorted(map(Path, glob.glob(str(place), recursive=True)))  # noqa: PTH207 (absolute)
    if not found:
        raise UserError(
            f"{path}: no such file; correct the path (relative ones start at {Path.cwd()})"
        )
    for part in found:
        if part.is_file() and part.stat().st_size == 0:
            raise UserError(f"{part}: the file is empty; give one with a header and rows")
    return found


def is_parquet(path: Path) -> bool:
    """Whether the content is Parquet, whatever the file's name."""
    return _magic(path) == _PARQUET


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The content of a file, unpacked where it is gzip or zip (by content, not by name).

    Raises UserError when it cannot be read, is damaged, or when a zip does not hold one file.
    """
    magic = _magic(path)
    try:
        if magic.startswith(_GZIP):
            with gzip.open(path) as unpacked:
                yield cast(IO[bytes], unpacked)
        elif magic == _ZIP:
            with zipfile.ZipFile(path) as archive, archive.open(_member(archive, path)) as member:
                yield member
        else:
            with path.open("rb") as file:
                yield file
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UserError(f"{path}: damaged ({error}); get the file again") from error


def is_packed(path: Path) -> bool:
    """Whether the content is gzip or zip."""
    magic = _magic(path)
    return magic.startswith(_GZIP) or magic == _ZIP


def _member(archive: zipfile.ZipFile, path: Path) -> str:
    """The name of the one file in a zip; what macOS adds does not count."""
    names = [n for n in archive.namelist() if not n.endswith("/") and "__MACOSX" not in n]
    if len(names) != 1:
        raise UserError(
            f"{path}: holds {len(names)} files ({', '.join(names[:3])}); "
            "pack one table in a zip, or unpack it and name the directory"
        )
    return names[0]


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; check the file") from error


def _is_table(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in _TABLES and not path.name.startswith(".")
