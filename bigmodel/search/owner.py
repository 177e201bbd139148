"""Who works on a trial, and whether that process still lives.

Each worker holds a lock on a file of its own as long as it lives. The kernel lets go of it when
the process ends, however that happens; a number of a process would be given to another one, and
means nothing on another machine or in another container.
"""

import uuid
from pathlib import Path

from filelock import FileLock, Timeout

FOLDER = "workers"  # in the study's directory


class Owner:
    """This process's place among the workers of a study: `name`, until `leave`."""

    def __init__(self, place: Path) -> None:
        self.name = uuid.uuid4().hex[:12]
        self._file = _file(place, self.name)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._file)
        self._lock.acquire()

    def leave(self) -> None:
        """Take the sign down."""
        self._lock.release()
        self._file.unlink(missing_ok=True)


def alive(place: Path, name: str | None) -> bool:
    """Whether the worker of this name still runs; None is nobody."""
    if name is None or not _file(place, name).exists():
        return False
    lock = FileLock(_file(place, name))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    _file(place, name).unlink(missing_ok=True)
    return False


def _file(place: Path, name: str) -> Path:
    return place / FOLDER / f"{name}.lock"
