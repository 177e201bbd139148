"""Files that are whole or not there: written aside in the same directory, synced, renamed."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from bigmodel.errors import BigmodelError

LEFTOVER = ".tmp-"  # the prefix of everything that is still being written
_NEW, _OLD = ".new", ".old"  # the suffixes of a directory being written, and of the one it replaces
_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


class WriteError(BigmodelError):
    """The disk refused a file or a directory; its cause says why."""


def is_refusal(error: BaseException) -> bool:
    """Whether the disk refused: it is full, read-only or broken. No fault of the program's."""
    refused = isinstance(error, OSError) and error.errno in _REFUSALS
    return refused or isinstance(error, WriteError)


@contextmanager
def told(path: Path | str) -> Iterator[None]:
    """What the disk refuses in the block becomes a `WriteError`, one line that names `path`."""
    try:
        yield
    except (OSError, WriteError) as error:
        cause = error.__cause__ if isinstance(error, WriteError) else error
        raise WriteError(
            f"{path}: cannot be written: {getattr(cause, 'strerror', None) or cause}; "
            "free some space or choose another directory (nothing was left there half-written)"
        ) from cause


@contextmanager
def atomic(path: Path | str, mode: str = "wb", permissions: int = 0o644) -> Iterator[IO[Any]]:
    """Open a file that appears at `path`, complete and synced, only when the block ends well.

    The temporary file stands in the target's own directory: a rename across file systems would
    be a copy, which a kill or a full disk can cut in half. Raises `WriteError` with one line
    when the disk refuses (full, read-only); an older file at `path` then stays as it was, or is
    replaced by the whole new one where only its survival of a power cut is not certain.
    """
    path = Path(path)
    temporary = None
    with told(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=LEFTOVER)
            temporary = Path(name)
            with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(permissions)  # mkstemp gives 0600
            temporary.replace(path)
            sync(path.parent)
        finally:
            if temporary is not None:
                _remove(temporary)


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """A directory that appears at `path`, complete and synced, only when the block ends well.

    Yields the temporary directory to fill. What stood at `path` before is replaced: set aside,
    and brought back when something fails then (after a kill, by the next writer of `path` or by
    `clean_leftovers`). One process at a time may write a directory. Raises as `atomic`.
    """
    path = Path(path)
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _repair(path)
        new = _beside(path, _NEW)
        new.mkdir()
        try:
            yield new
            for part in (*new.rglob("*"), new):
                sync(part)
            if path.exists():
                path.replace(_beside(path, _OLD))
            new.replace(path)
            sync(path.parent)
        finally:
            _repair(path)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{LEFTOVER}{path.name}{suffix}")


def _repair(path: Path) -> None:
    """Leave the new directory or else the old one at `path`, and nothing beside it."""
    old = _beside(path, _OLD)
    if old.exists() and not path.exists():
        old.replace(path)
    _remove(old)
    _remove(_beside(path, _NEW))


def _remove(path: Path) -> None:
    with suppress(OSError):  # what cannot be removed now is a leftover of the next start
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Make a file's content, or the renames inside a directory, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
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


@contextmanager
def locked(path: Path, permissions: int = 0o644) -> Iterator[None]:
    """Within the block this process alone has the lock; the system takes it from a killed one."""
    import fcntl  # some systems have no such thing, and nothing else here needs it

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, permissions)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


class Hold:
    """A lock at `path` that one process has, from when it gets it until it lets go or ends.

    The system takes it from a killed one. Any thread may ask.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._asking = threading.Lock()

    def take(self) -> bool:
        """Take it if nobody has it; whether this process has it now. Raises OSError."""
        import fcntl  # as in `locked`

        with self._asking:
            if self._file is not None:
                return True
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(file)
                if isinstance(error, BlockingIOError):
                    return False
                raise
            self._file = file
            return True

    def release(self) -> None:
        """Another may have it."""
        with self._asking:
            if self._file is not None:
                os.close(self._file)
                self._file = None


def clean_leftovers(directory: Path) -> None:
    """Remove what killed processes left half-written directly under `directory`.

    A directory that one had set aside and not yet replaced is put back.
    """
    for leftover in list(directory.glob(f"{LEFTOVER}*")):
        if leftover.name.endswith(_OLD):
            _repair(directory / leftover.name.removeprefix(LEFTOVER).removesuffix(_OLD))
        else:
            _remove(leftover)


def sha256(content: Path | bytes) -> str:
    """The SHA-256 of bytes, or of a file's content, as 64 hexadecimal digits."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
