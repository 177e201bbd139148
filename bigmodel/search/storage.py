"""Where a study is recorded: a journal file that survives kills, or any database of Optuna's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file
from sqlalchemy.exc import SQLAlchemyError

from bigmodel.errors import UserError

JOURNAL = "journal.log"
POLL = 0.002  # seconds between two looks at a lock that another process holds
LASTING = (0, 2, 3, 6)  # what the journal calls a new study, its notes, and the state of a trial
PATIENCE = 60  # seconds for a database that another process has locked


def open_storage(url: str | None, place: Path) -> BaseStorage:
    """The storage at `url`, or the journal in the study's directory `place`."""
    if url is None:
        return JournalStorage(Journal(str(place / JOURNAL)))
    given: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        given = {"connect_args": {"timeout": PATIENCE}}
    try:
        return get_storage(RDBStorage(url, engine_kwargs=given))
    except (SQLAlchemyError, ImportError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"search.storage: {url} cannot be opened: {reason}") from error


class Journal(JournalFileBackend):
    """Optuna's journal file, with a lock of the kernel, and without waiting for the disk each time.

    All that was appended survives a kill. What a power cut may take are the last lines about
    trials that had not ended.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, JournalLock(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append, under the lock."""
        if any(log["op_code"] in LASTING for log in logs):
            super().append_logs(logs)
            return
        lines = b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)
        with get_lock_file(self._lock), Path(self._file_path).open("ab") as file:
            file.write(lines)


class JournalLock(BaseJournalFileLock):
    """The kernel's lock on a file beside the journal: it ends with its process.

    Optuna's own locks are files that a killed process leaves behind for half a minute. A line that
    it left half-written is cut off before the next one is written.
    """

    def __init__(self, path: str) -> None:
        self._journal = Path(path)
        self._lock = FileLock(f"{path}.lock")

    def acquire(self) -> bool:
        """Wait for the lock, then mend the end of the journal."""
        self._lock.acquire(poll_interval=POLL)
        try:
            self._mend()
        except BaseException:
            self._lock.release()
            raise
        return True

    def _mend(self) -> None:
        with self._journal.open("rb+") as file:
            end = file.seek(0, 2)
            if end == 0:
                return
            file.seek(end - 1)
            if file.read(1) == b"\n":
                return
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

    def release(self) -> None:
        """Let the next one in."""
        self._lock.release()
