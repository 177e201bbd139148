"""The one process that learns: from the log, block by block, each published when it is on disk."""

import logging
import sqlite3
import time
from pathlib import Path

from bigmodel.errors import BigmodelError, UserError
from bigmodel.files import WriteError
from bigmodel.learning.events import Report
from bigmodel.learning.journal.keeper import Keeper, Log
from bigmodel.learning.journal.summary import Summary
from bigmodel.learning.learner import Learner
from bigmodel.learning.snapshot import Snapshot
from bigmodel.serving.living.mailbox import Mailbox
from bigmodel.serving.living.published import Published

_log = logging.getLogger(__name__)


class Leader:
    """Has the lock of the log in `place`. `learner` is as its bundle has it; one thread calls.

    `shared`: there are others, who follow. Other threads may read `live`, `summary`, and
    `waiting` (labels that are not learnt yet). Raises
    BigmodelError when what the log has cannot be rebuilt.
    """

    def __init__(
        self, learner: Learner, place: Path, model: str, *, learns: bool, shared: bool
    ) -> None:
        update = learner.settings.update
        log = Log(snapshot_every=update.snapshot_every, keep=update.keep)
        self._keeper = Keeper(learner, place, model, log)
        self._most, self._learns, self._place = update.most, learns, place
        self._published = Published(place) if shared else None
        self._mailbox = Mailbox(place)
        if self._published is not None:
            self._published.clear()
        self._behind = False  # the last block is not as it is on the disk
        self.waiting = self._keeper.journal.waiting()
        self._publish()

    @property
    def live(self) -> Snapshot:
        """What is published."""
        return self._keeper.live

    @property
    def summary(self) -> Summary:
        """What the newest version tells."""
        return self._keeper.summary

    def step(self) -> bool:
        """Do what is to be done next; False when there was nothing.

        Raises sqlite3.Error or WriteError when the disk refuses: nothing is lost, the next step
        tries again.
        """
        if self._behind:
            newest = self._keeper.journal.newest()
            assert newest is not None
            self._keeper.rebuild(newest.version)
            self._behind = False
        wish = self._mailbox.wish()
        if wish is not None:
            self._mailbox.answer(wish, self._go_back(wish["version"]))
            return True
        if not self._learns:
            return False
        try:
            report = self._keeper.step(self._most)
        except (sqlite3.Error, WriteError):
            self._behind = True
            raise
        if report is None:
            return False
        self._tell(report)
        self.waiting = self._keeper.journal.waiting()
        self._publish()
        return True

    def close(self) -> None:
        """Close the log."""
        self._keeper.journal.close()

    def _go_back(self, version: int) -> dict[str, str | int]:
        before = self._keeper.live.version
        try:
            number = self._keeper.rollback(version)
        except BigmodelError as error:  # the learner is somewhere else now
            self._behind = True
            kind = "refused" if isinstance(error, UserError) else "failed"
            text = "; ".join(error.lines).replace(str(self._place), "the log")
            return {"error": text, "kind": kind}
        except sqlite3.Error as error:
            self._behind = True
            return {"error": str(error), "kind": "failed"}
        self._publish()
        _log.info("learning: from version %d back to %d, as %d", before, version, number)
        return {"version": number}

    def _tell(self, report: Report) -> None:
        """What somebody may want to find in the log of the service."""
        for name in report.added:
            _log.info("learning: version %d has a new class: %r", report.version, name)
        for name in report.joined:
            _log.info("learning: version %d: the challenger %s has joined", report.version, name)

    def _publish(self) -> None:
        newest = self._keeper.journal.newest()
        if self._published is None or newest is None:
            return
        try:
            self._published.write(newest.version, newest.sha256, self._keeper.learner.state())
        except OSError as error:  # the others stay behind, nothing else
            _log.warning("learning: not published: %s", error)
            time.sleep(0.1)
