"""Brings feedback to the judges: what was predicted, by which version, and what it turned out."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import orjson

from bigmodel.data.schema import Target
from bigmodel.serving import labels, records
from bigmodel.serving.errors import ApiError

T = TypeVar("T")
_EVERY = 1.0  # seconds
_AT_ONCE = 1000
_log = logging.getLogger(__name__)
_NEW = """
select l.rowid, p.model, p.version, p.answers, l.row, l.label
from labels l join predictions p on p.id = l.request where l.rowid > ? order by l.rowid limit ?"""


class Found(NamedTuple):
    """A label that has met its prediction; `prediction` and `label` are JSON values."""

    model: str
    version: str
    prediction: object
    label: object


class Judged(Protocol):
    """The place of a model."""

    @property
    def target(self) -> Target: ...  # noqa: D102
    def labelled(self, version: str, loss: float) -> None: ...  # noqa: D102


class Quality:
    """Reads new labels from the store at `path` once a second, whichever process took them."""

    def __init__(self, path: Path, slots: Mapping[str, Judged]) -> None:
        self._path, self._slots = path, slots
        self._last: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Labels that were there before are not counted."""
        self._last = await asyncio.to_thread(self._read, _latest)
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """No more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            try:
                found = await asyncio.to_thread(self._read, self._new)
            except (sqlite3.Error, OSError) as error:
                _log.warning("%s: feedback cannot be read: %s", self._path, error)
                continue
            for one in found:
                slot = self._slots.get(one.model)
                loss = None if slot is None else loss_of(one.prediction, one.label, slot.target)
                if slot is not None and loss is not None:
                    slot.labelled(one.version, loss)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        place = f"{self._path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True)) as db:
            return work(db)

    def _new(self, db: sqlite3.Connection) -> list[Found]:
        found = []
        for rowid, model, version, answers, row, label in db.execute(_NEW, (self._last, _AT_ONCE)):
            self._last = rowid
            prediction = records.answers(answers)[row]["prediction"]
            found.append(Found(model, version, prediction, orjson.loads(label)))
        return found


def loss_of(prediction: object, label: object, target: Target) -> float | None:
    """From 0, right, to 1: wrong, or a number that is off by its spread or more.

    None where the label is none of this target: an older version had other classes.
    """
    if target.task == "regression":
        if not isinstance(prediction, int | float) or not isinstance(label, int | float):
            return None
        return min(1.0, abs(prediction - label) / target.scale)
    if label not in target.classes:
        return None
    try:
        return float(labels.checked(prediction, target, "prediction") != label)
    except ApiError:
        return 1.0


def _latest(db: sqlite3.Connection) -> int:
    return int(db.execute("select coalesce(max(rowid), 0) from labels").fetchone()[0])
