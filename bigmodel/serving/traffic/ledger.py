"""What all processes of a service have seen of its versions: in the store, so it is never lost.

Each adds what it has seen to what is there, and goes on from that; so all judge by the same, also
after a restart. Of the feedback one process reads all, for all.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import orjson

from bigmodel.serving.labelled import Labels
from bigmodel.serving.store import Store
from bigmodel.serving.traffic.evidence import Evidence
from bigmodel.serving.traffic.judge import Judge
from bigmodel.serving.traffic.loss import loss_of
from bigmodel.serving.writer import Writer

_EVERY = 1.0  # seconds
_AT_ONCE = 1000  # labels
_LABELS = "labels"  # the note of which label was read last
_log = logging.getLogger(__name__)


class Judged(Protocol):
    """The place of a model."""

    @property
    def judge(self) -> Judge | None: ...  # noqa: D102


class Ledger:
    """Settles once a second, or at once when it is pressed.

    `path` is the store that `writer` writes; `leads` says whether this process does what one does
    for all. While the disk refuses, nothing is decided: a state could not be written, either.
    """

    def __init__(self, path: Path, writer: Writer, leads: Callable[[], bool]) -> None:
        self._path, self._writer, self._leads = path, writer, leads
        self._slots: Mapping[str, Judged] = {}
        self._labels: Labels | None = None
        self._pressed, self._ending = asyncio.Event(), False
        self._task: asyncio.Task[None] | None = None

    def press(self) -> None:
        """There is something that could decide."""
        self._pressed.set()

    async def start(self, slots: Mapping[str, Judged]) -> None:
        """From now on, for the models in `slots`."""
        self._slots = slots
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """For the last time."""
        self._ending = True
        self._pressed.set()
        if self._task is not None:
            await self._task
        if self._labels is not None:
            self._labels.close()

    async def _run(self) -> None:
        ending = False
        while not ending:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._pressed.wait(), _EVERY)
            self._pressed.clear()
            ending = self._ending
            try:
                await self.settle()
            except (sqlite3.Error, OSError) as error:
                _log.warning("%s: versions cannot be judged: %s", self._path, error)
                await asyncio.sleep(0 if ending else _EVERY)
            except Exception:  # noqa: BLE001  a mistake of ours must not end the judging
                _log.exception("versions could not be judged")
                await asyncio.sleep(0 if ending else _EVERY)

    async def settle(self) -> None:
        """Give what this process has seen, take what all have, and act on it."""
        await self._read_labels()
        judges = [slot.judge for slot in self._slots.values() if slot.judge is not None]
        going = [comparison for judge in judges for comparison in judge.comparisons]
        taken = [(comparison.key, comparison.take()) for comparison in going]
        last = None if self._labels is None else self._labels.last
        try:
            known = await self._writer.now(lambda store: _added(store, taken, last))
        except sqlite3.Error:
            for comparison, (_, evidence) in zip(going, taken, strict=True):
                comparison.put_back(evidence)
            raise
        for comparison, evidence in zip(going, known, strict=True):
            comparison.adopt(evidence)
        for judge in () if self._ending else judges:  # what is certain stays so
            judge.look()

    async def _read_labels(self) -> None:
        """Labels that were there before the first start are not counted."""
        if not await asyncio.to_thread(self._leads):
            return
        if self._labels is None:
            last = await self._writer.now(lambda store: store.note(_LABELS))
            self._labels = Labels(self._path)
            self._labels.last = self._labels.newest() if last is None else int(last)
        for one in await asyncio.to_thread(self._labels.next, _AT_ONCE):
            slot = self._slots.get(one.model)
            loss = loss_of(one.answer["prediction"], one.label, one.target)
            if slot is not None and slot.judge is not None and loss is not None:
                slot.judge.labelled(one.version, loss)
        if self._labels.more:
            self.press()


def _added(store: Store, taken: Sequence[tuple[str, Evidence]], last: int | None) -> list[Evidence]:
    """What all have seen, with this in it; `last` is the label up to which it is."""
    found = []
    for key, evidence in taken:
        raw = store.note(key)
        before = Evidence() if raw is None else Evidence.from_json(orjson.loads(raw))
        after = before.plus(evidence)
        if after != before:
            store.set_note(key, orjson.dumps(after.to_json()))
        found.append(after)
    if last is not None and store.note(_LABELS) != b"%d" % last:
        store.set_note(_LABELS, b"%d" % last)
    return found
