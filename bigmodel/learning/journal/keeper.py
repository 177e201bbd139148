"""The one who learns from the log: block by block, each written down before it is published."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Gt
from threadpoolctl import threadpool_limits

from bigmodel.errors import BigmodelError, UserError
from bigmodel.learning.arrays import State, digest
from bigmodel.learning.events import Events, Report
from bigmodel.learning.journal.libraries import differences, libraries
from bigmodel.learning.journal.snapshots import Snapshots
from bigmodel.learning.journal.store import (
    FIRST,
    LEARNT,
    ROLLED_BACK,
    VETOED,
    Event,
    Journal,
    Version,
)
from bigmodel.learning.journal.summary import Summary
from bigmodel.learning.learner import Learner
from bigmodel.learning.memo import Memos
from bigmodel.learning.snapshot import Snapshot

__all__ = ["Log"]


@dataclass(frozen=True, kw_only=True)
class Log:
    """A file of the state after every `snapshot_every` versions, `keep` of them."""

    snapshot_every: Annotated[int, Gt(0)] = 500
    keep: Annotated[int, Gt(0)] = 5


class Keeper:
    """Learns from the log in `place`; one thread calls it, any thread reads `live`.

    `learner` is as its bundle has it, `model` the bundle's version. What the log has beyond that
    is rebuilt at once: after a kill it goes on from the last version that was written down.
    A version is published after it is on disk, so that none that was served can be lost.
    `summary` is what the newest version tells.
    """

    live: Snapshot

    def __init__(self, learner: Learner, place: Path, model: str, log: Log | None = None) -> None:
        threadpool_limits(1, user_api="blas")  # else the bits of a block would differ
        self.log, self._libraries = log or Log(), libraries()
        self.journal = Journal(place, model)
        self.learner, self._base = learner, learner.state()
        self._base_version = learner.live.version
        self._snapshots = Snapshots(place, self.log.keep)
        newest = self.journal.newest()
        self.summary = Summary() if newest is None else Summary.of(newest.report)
        if newest is None:
            self._write(FIRST, None, 1, 0, Report(self._base_version), digest(self._base))
        else:
            self.rebuild(newest.version)
        self.live = learner.live

    def append(self, events: list[Event]) -> list[bool]:
        """Write labels down, to be learnt by `step`; False for those that were known already."""
        return self.journal.append(events)

    def step(self, most: int) -> Report | None:
        """Learn the next labels, at most so many; None when there are none."""
        numbers, events = self.journal.after(self.journal.learnt(), most)
        if not events:
            return None
        before = self.learner.live.version
        report = self._block(events)
        made = VETOED if report.vetoed else LEARNT
        state = self.learner.state()
        self._write(made, before, numbers[0], numbers[-1], report, digest(state))
        self.live = self.learner.live
        if self.live.version % self.log.snapshot_every == 0:
            self._snapshots.write(self.live.version, state, self._last_good())
        return report

    def rollback(self, version: int) -> int:
        """Go back to a version, as a new one; returns its number.

        Labels that were learnt since are not learnt again. Raises UserError when there is no such
        version.
        """
        newest = self.journal.newest()
        assert newest is not None
        self.rebuild(version)
        self._renumber(newest.version + 1)
        state = self.learner.state()
        report = Report(newest.version + 1)
        self._write(ROLLED_BACK, version, 1, 0, report, digest(state))
        self._snapshots.write(newest.version + 1, state, self._last_good())
        self.live = self.learner.live
        return newest.version + 1

    def rebuild(self, version: int, told: Callable[[str], None] = lambda line: None) -> None:
        """Make the learner that version again, from the nearest state and the log.

        `told` gets lines that say what was done. Raises UserError when there is no such version,
        BigmodelError when its bits are not those of then, with the libraries of then.
        """
        chain, state = self._chain(version)
        self.learner.load_state(state)
        start = self.learner.live.version
        for made in chain:
            if made.made == ROLLED_BACK:
                self._renumber(made.version)
            else:
                self._block(self.journal.between(made.first, made.last))
        told(f"version {version}: {len(chain)} versions learnt again from version {start}")
        newest = self.journal.version(version)
        assert newest is not None
        found, others = digest(self.learner.state()), differences(newest.libraries)
        if found == newest.sha256:
            told(f"version {version}: bit for bit as it was written down ({found[:12]})")
        elif others:
            told(f"version {version}: not the same bits: {', '.join(others)}")
        else:
            raise BigmodelError(
                f"{self.journal.place}: version {version} cannot be rebuilt: its bits are not "
                "those that were written down, with the same libraries; roll back to an older one"
            )

    def _chain(self, version: int) -> tuple[list[Version], State]:
        """What has to be learnt, in order, on the nearest state that there is."""
        chain: list[Version] = []
        number: int | None = version
        while number is not None:
            made = self.journal.version(number)
            if made is None:
                raise UserError(f"{self.journal.place}: there is no version {number}")
            state = self._snapshots.read(number, made.sha256)
            if state is not None:
                return chain[::-1], state
            if made.made == FIRST:
                return chain[::-1], self._base
            chain.append(made)
            number = made.parent
        raise BigmodelError(f"{self.journal.place}: the log has no beginning")

    def _block(self, events: list[Event]) -> Report:
        live, layout = self.learner.live, self.learner.layout
        memos = Memos.unpacked(
            [event.memo for event in events],
            len(live.experts),
            live.classes or 1,
            layout.width,
        )
        labels = np.array([event.label for event in events])
        names = tuple(event.name for event in events)
        return self.learner.block(
            Events(
                memos,
                labels.astype(np.int64) if live.classes else labels,
                tuple(event.source for event in events),
                np.array([event.audited for event in events]),
                names if any(names) else None,
            )
        )

    def _renumber(self, version: int) -> None:
        live = self.learner.live
        shared = self.learner.good is live
        self.learner.live = replace(live, version=version)
        if shared:
            self.learner.good = self.learner.live

    def _last_good(self) -> int | None:
        """The newest version in a file whose block was not vetoed."""
        for number in reversed(self._snapshots.versions()):
            made = self.journal.version(number)
            if made is not None and made.made != VETOED:
                return number
        return None

    def _write(
        self, made: str, parent: int | None, first: int, last: int, report: Report, sha: str
    ) -> None:
        summary = self.summary.after(report, self.learner)
        figures = asdict(report) | {"summary": summary.to_json()}
        self.journal.add(
            Version(
                report.version,
                parent,
                first,
                last,
                made,
                sha,
                time.time(),
                self._libraries,
                json.dumps(figures, allow_nan=False),
            )
        )
        self.summary = summary
