"""Who learns: one process at a time, the one that holds the log's lock."""

import fcntl
import os
from pathlib import Path

_NAME = "learner.lock"


class Lock:
    """The lock of the log in `place`; the system takes it back when its process ends, however."""

    def __init__(self, place: Path) -> None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: int | None = os.open(place / _NAME, os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> bool:
        """Take it if nobody has it; whether this process has it now."""
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Another may have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
