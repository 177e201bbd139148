"""A model that keeps learning, in this process: what it answers with, and who brings it forward."""

import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.live import LiveEngine
from bigmodel.data.encoder import Encoded
from bigmodel.errors import BigmodelError
from bigmodel.files import Hold, WriteError
from bigmodel.learning.journal.store import LOCK
from bigmodel.learning.journal.summary import Moment, Summary, moments, waiting
from bigmodel.learning.snapshot import Snapshot
from bigmodel.serving.living.appender import Appender
from bigmodel.serving.living.leader import Leader
from bigmodel.serving.living.mailbox import Mailbox
from bigmodel.serving.living.published import Published

_FOLLOW = 0.02  # seconds between two looks at what is published
_PATIENCE = 1.0  # seconds, after the disk refused
_TELL = 5.0  # seconds of waiting for another process, until it is said
_DELAYS = 4096  # label delays of which the quantiles are told
_log = logging.getLogger(__name__)


class Living:
    """Answers with `live`, an immutable snapshot that a thread of this object replaces.

    The thread learns where it has the lock of the log in `place`, else it follows who has it.
    `learns` is false where nothing is learnt any more. Raises BigmodelError when what the log has
    cannot be rebuilt, or is another model's.
    """

    def __init__(
        self, version: str, engine: LiveEngine, place: Path, *, learns: bool, shared: bool
    ) -> None:
        self.version, self.learns, self.place = version, learns, place
        self.update = engine.learner.settings.update
        self.new_classes = engine.learner.settings.new_classes
        self.layout, self.mailbox = engine.learner.layout, Mailbox(place)
        self.live: Snapshot = engine.learner.live
        self.leader: Leader | None = None
        self.problem: str | None = None
        self.joins: Counter[str] = Counter()  # labels by what became of them, in this process
        self.delays: deque[float] = deque(maxlen=_DELAYS)  # seconds from prediction to label
        self._engine, self._shared = engine, shared
        self._base = engine.learner.state()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._hold = Hold(place / LOCK)
        self._published = Published(place)
        self.appender = Appender(place, version, self.update.waiting)
        self._ended, self._ready = threading.Event(), threading.Event()
        self._failed: BigmodelError | None = None
        self._thread = threading.Thread(target=self._run, name="bigmodel-learner", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            self.close()
            raise self._failed

    def run(self, encoded: Encoded) -> NDArray[np.float32]:
        """The rows (n, width) that a snapshot answers, of n encoded rows."""
        return self._engine.rows(encoded)

    @property
    def held(self) -> dict[str, int]:
        """Labels that wait for more of their name, as of about the published version."""
        return self._engine.learner.newcomers.counts

    def named(self, snapshot: Snapshot) -> str:
        """How callers see a version: `<bundle version>+<number>`."""
        return f"{self.version}+{snapshot.version}"

    @property
    def summary(self) -> Summary:
        """What the newest version tells: in every process the same."""
        if self.leader is not None:
            return self.leader.summary
        newest = self.moments(1)
        return newest[0].summary if newest else Summary()

    @property
    def waiting(self) -> int | None:
        """Labels that are not learnt yet; None while the log cannot be read."""
        if self.leader is not None:
            return self.leader.waiting
        try:
            return waiting(self.place)
        except sqlite3.Error:
            return None

    def moments(self, most: int) -> list[Moment]:
        """At most so many versions from the first to the newest; none while they cannot be read."""
        try:
            return moments(self.place, most)
        except sqlite3.Error as error:
            _log.warning("learning: the log cannot be read: %s", error)
            return []

    def rollback(self, version: int, patience: float = 30.0) -> dict[str, Any]:
        """Go back to a learnt version: `{"version": N}`, or `{"error", "kind"}`; for any thread.

        Raises TimeoutError when nobody learns.
        """
        return self.mailbox.ask(version, patience)

    def close(self) -> None:
        """Learn no more; the log is as it was after the last block."""
        self._ended.set()
        self._thread.join()
        self.appender.close()
        self._hold.release()

    def _run(self) -> None:
        started = time.monotonic()
        while not self._ended.is_set():
            try:
                pause = self._turn()
            except (sqlite3.Error, OSError, WriteError) as error:
                self._say(f"the disk refuses: {error}")
                pause = _PATIENCE
            except BigmodelError as error:
                return self._fail(error)
            except Exception as error:  # noqa: BLE001  a mistake of ours: it answers as it is
                _log.exception("learning: a mistake")
                return self._fail(BigmodelError(f"learning: {type(error).__name__}: {error}"))
            if started and not self._ready.is_set() and time.monotonic() - started > _TELL:
                _log.warning("%s: another process learns; waiting for its version", self.place)
                started = 0.0
            self._ended.wait(pause)
        if self.leader is not None:
            self.leader.close()

    def _turn(self) -> float:
        """Do what is to be done; the seconds until there may be more."""
        if self.leader is None and self._hold.take():
            self._engine.learner.load_state(self._base)
            self.leader = Leader(
                self._engine.learner,
                self.place,
                self.version,
                learns=self.learns,
                shared=self._shared,
            )
            self._lead()
        if self.leader is None:
            if self._published.newest() != self.live.version or not self._ready.is_set():
                self._follow()
            return _FOLLOW
        while not self._ended.is_set() and self.leader.step():
            self._lead()
        return self.update.max_wait_ms / 2000  # so that none waits longer

    def _lead(self) -> None:
        assert self.leader is not None
        self.live, self.problem = self.leader.live, None
        self._ready.set()

    def _follow(self) -> None:
        found = self._published.read()
        if found is None or found[0] < self.live.version:
            return
        self._engine.learner.load_state(found[1])
        self.live = self._engine.learner.live
        self._ready.set()

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            _log.error("learning: %s", problem)
        self.problem = problem

    def _fail(self, error: BigmodelError) -> None:
        self._say("; ".join(error.lines))
        self._hold.release()  # another process may know better
        if not self._ready.is_set():
            self._failed = error
            self._ready.set()
