"""Files that are whole or not there: written aside in the same directory, synced, renamed."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bigmodel.errors import BigmodelError

LEFTOVER = ".tmp-"  # the prefix of everything that is still being written


@contextmanager
def atomic(path: Path | str, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that appears at `path`, complete and synced, only when the block ends well.

    The temporary file stands in the target's own directory: a rename across file systems would
    be a copy, which a kill or a full disk can cut in half. Raises `BigmodelError` with one line
    when the disk refuses (full, read-only); an older file at `path` then stays as it was.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=LEFTOVER)
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp gives 0600
        Path(temporary).replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """A directory that appears at `path`, complete, only when the block ends well.

    Yields the temporary directory to fill; write its files with `atomic`, which syncs them. What
    stood at `path` before is replaced; when the disk refuses, it stays (`BigmodelError`). After a
    kill between the two renames, the next call finds it as `.old-NAME` and puts it back first.
    """
    path = Path(path)
    old = path.with_name(f".old-{path.name}")
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if old.exists() and not path.exists():
            old.replace(path)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=LEFTOVER))
        yield temporary
        temporary.chmod(0o755)
        sync_directory(temporary)
        _replace(temporary, path, old)
        sync_directory(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, path: Path, old: Path) -> None:
    """Put a directory in the place of another: no system renames over one that is not empty."""
    if not path.exists():
        temporary.replace(path)
        return
    shutil.rmtree(old, ignore_errors=True)
    path.replace(old)
    try:
        temporary.replace(path)
    except OSError:
        old.replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _refused(path: Path, error: OSError) -> BigmodelError:
    return BigmodelError(
        f"{path}: cannot be written: {error.strerror or error}; "
        "free some space or choose another directory (an older file there was left as it was)"
    )


def sync_directory(directory: Path) -> None:
    """Make a rename inside `directory` survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path, "w") as file:
        file.write(text)


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON atomically, indented, refusing NaN and infinities (JSON has none)."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def clean_leftovers(directory: Path) -> None:
    """Remove what killed processes left half-written directly under `directory`."""
    for leftover in directory.glob(f"{LEFTOVER}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def sha256(content: Path | bytes) -> str:
    """The SHA-256 of bytes, or of a file's content, as 64 hexadecimal digits."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
