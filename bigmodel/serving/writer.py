"""Records on their way to the disk: one thread writes, many requests wait.

The thread takes all that has come since its last commit and commits it at once (group commit):
the more requests wait, the fewer of the disk's synchronisations each of them costs. Feedback is
acknowledged after the commit. Predictions are not waited for: they are gathered, since waking the
thread for each would cost a request more than its answer, and are dropped rather than let requests
wait when the disk is slower than they come.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from bigmodel.errors import BigmodelError
from bigmodel.serving.errors import ApiError
from bigmodel.serving.store import Memory, Predictions, Store

_AT_ONCE = 512  # jobs of one commit
_EVERY = 0.1  # seconds for which predictions are gathered
_WAITING = 50_000  # rows of predictions that wait for the disk: more are dropped
_PRUNE_SECONDS = 10.0
_COMPLAIN_SECONDS = 10.0
_log = logging.getLogger(__name__)

Work = Callable[[Store], Any]
Record = Callable[[], Predictions | Memory]  # made in the writing thread, where nobody waits for it


class Watcher(Protocol):
    """Who is told what became of records: the metrics."""

    def collected(self, kind: str, outcome: str, count: int) -> None: ...  # noqa: D102


class Job:
    """What to do within a transaction, and who waits for it, if anybody."""

    __slots__ = ("_future", "_loop", "outcome", "work")

    def __init__(self, work: Work, waits: bool = True) -> None:
        self.work, self.outcome = work, None
        self._loop = asyncio.get_running_loop() if waits else None
        self._future: asyncio.Future[Any] | None = (
            self._loop.create_future() if self._loop else None
        )

    @property
    def waits(self) -> bool:
        """Whether somebody waits for it."""
        return self._future is not None

    async def done(self) -> Any:
        """What `work` returned, once it is on the disk; raises `sqlite3.Error` if it is not."""
        assert self._future is not None
        return await self._future

    def tell(self, error: Exception | None = None) -> None:
        """Called in the writing thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, error)

    def _tell(self, error: Exception | None) -> None:
        assert self._future is not None
        if self._future.done():  # the caller has gone
            return
        if error is None:
            self._future.set_result(self.outcome)
        else:
            self._future.set_exception(error)


class Writer:
    """The thread that writes the store. `start` before, `stop` after the first and last request."""

    def __init__(self, path: Path, max_bytes: int, days: float, watcher: Watcher) -> None:
        self._path, self._limits, self._watcher = path, (max_bytes, days), watcher
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._records: deque[tuple[int, Record]] = deque()
        self._complained = float("-inf")
        self._put = self._taken = 0  # rows of predictions; each is changed by one thread only
        self._thread = threading.Thread(target=self._run, name="bigmodel-store", daemon=True)
        self._opened: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    @property
    def waiting(self) -> int:
        """Rows of predictions that are not on the disk yet."""
        return self._put - self._taken

    def start(self) -> None:
        """Open the store. Raises BigmodelError when it cannot be opened."""
        self._thread.start()
        error = self._opened.get()
        if error is not None:
            raise BigmodelError(
                f"{self._path}: cannot be opened ({error}); free some space, or name another "
                "directory with serving.state=DIR"
            ) from error

    def stop(self) -> None:
        """Write what is left, and close the store."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def keep(self, record: Record, rows: int) -> bool:
        """Write predictions of so many rows soon; False when too much waits: they are dropped."""
        if self.waiting + rows > _WAITING:
            self._watcher.collected("prediction", "dropped", rows)
            return False
        self._put += rows
        self._records.append((rows, record))
        return True

    def later(self, work: Work) -> None:
        """Do this when there is time."""
        self._jobs.put(Job(work, waits=False))

    async def now(self, work: Work) -> Any:
        """What `work` returns, once it is on the disk. Raises `sqlite3.Error` if it is not."""
        job = Job(work)
        self._jobs.put(job)
        return await job.done()

    def _run(self) -> None:
        try:
            store = Store(self._path, *self._limits)
        except (sqlite3.Error, OSError) as error:
            self._opened.put(error)
            return
        self._opened.put(None)
        pruned = 0.0
        ending = False
        while not ending:
            jobs, ending = self._take()
            self._commit(store, jobs)
            if time.monotonic() - pruned > _PRUNE_SECONDS:
                pruned = time.monotonic()
                self._prune(store)
        store.close()

    def _take(self) -> tuple[list[Job], bool]:
        """The jobs that wait, once there is one or predictions were gathered; whether to end."""
        jobs: list[Job] = []
        try:
            job = self._jobs.get(timeout=_EVERY)
            while job is not None and len(jobs) < _AT_ONCE:
                jobs.append(job)
                job = self._jobs.get_nowait()
        except queue.Empty:
            return jobs, False
        if job is not None:
            jobs.append(job)
        return jobs, job is None

    def _commit(self, store: Store, jobs: Sequence[Job]) -> None:
        # after the jobs were taken: what a label is about is there before it
        records = [self._records.popleft() for _ in range(len(self._records))]
        if not jobs and not records:
            return
        error = self._try(store, jobs, [record for _, record in records])
        if error is not None:
            # what nobody waits for may be lost; what somebody waits for gets the room that is left
            self._prune(store)
            waiting = [job for job in jobs if job.waits]
            kept = self._try(store, waiting) if waiting else error
            for job in waiting:
                job.tell(kept)
        else:
            for job in jobs:
                job.tell()
        rows = sum(count for count, _ in records)
        self._taken += rows
        if rows:
            self._watcher.collected("prediction", "lost" if error else "stored", rows)

    def _try(
        self, store: Store, jobs: Sequence[Job], records: Sequence[Record] = ()
    ) -> Exception | None:
        try:
            made = [record() for record in records]
            memories = [record for record in made if isinstance(record, Memory)]
            with store.transaction():
                store.add_predictions(*(one for one in made if isinstance(one, Predictions)))
                if memories:
                    store.add_memories(memories)
                for job in jobs:
                    job.outcome = job.work(store)
        except Exception as error:  # noqa: BLE001  nobody else could tell those who wait
            self._complain(error)
            return error
        return None

    def _complain(self, error: Exception) -> None:
        """A line in the log, now and then: a full disk must not fill the log, too."""
        if time.monotonic() - self._complained > _COMPLAIN_SECONDS:
            self._complained = time.monotonic()
            level = logging.WARNING if isinstance(error, sqlite3.Error) else logging.ERROR
            _log.log(level, "%s: not written: %s", self._path, error)

    def _prune(self, store: Store) -> None:
        try:
            gone = store.prune()
        except sqlite3.Error as error:
            self._complain(error)
            return
        if gone:
            self._watcher.collected("record", "removed", gone)


def refused(error: sqlite3.Error) -> ApiError:
    """What a caller is told whose records the disk refuses."""
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
        again = ((b"retry-after", b"1"),)
        return ApiError(503, "store_busy", "nothing was stored: try again in 1 s", headers=again)
    return ApiError(507, "store_full", "nothing was stored: the service's disk refuses")
