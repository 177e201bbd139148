"""Labels of the feedback that have met their predictions, in the order in which they came."""

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bigmodel.data.schema import Schema, Target
from bigmodel.serving import records

_SETTLED = 2.0  # seconds: by then a prediction, which nobody waits for, is stored, too
_NEW = """
select l.rowid, l.request, l.row, l.time, l.label, p.model, p.version, p.time
from labels l left join predictions p on p.id = l.request
where l.rowid > ? order by l.rowid limit ?"""


class Labelled(NamedTuple):
    """An answer as the service gave it, and what it turned out to be `delay` seconds later.

    The label is a class's text, or a number.
    """

    model: str
    version: str
    answer: Mapping[str, Any]
    label: str | float
    delay: float
    target: Target


class Labels:
    """Reads the store at `path` from after the label `last` (the number of its row) on.

    `more` says whether the latest reading has left some. Used by one thread at a time. Methods
    raise `sqlite3.Error`.
    """

    def __init__(self, path: Path) -> None:
        place = f"{path.resolve().as_uri()}?mode=ro"
        self.db = sqlite3.connect(place, uri=True, check_same_thread=False)
        self.last, self.more = 0, False
        self._targets: dict[tuple[str, str], Target] = {}
        self._parsed: tuple[str, list[Any]] = ("", [])

    def newest(self) -> int:
        """The label that came last."""
        return int(self.db.execute("select coalesce(max(rowid), 0) from labels").fetchone()[0])

    def next(self, most: int) -> list[Labelled]:
        """The next ones, of which `most` are looked at; those without a prediction are left out."""
        settled, found = time.time() - _SETTLED, []
        new = self.db.execute(_NEW, (self.last, most)).fetchall()
        self.more = len(new) == most
        for rowid, request, row, given, label, model, version, asked in new:
            if model is None and given > settled:  # its prediction may be on its way
                self.more = False
                break
            self.last = rowid
            target = None if model is None else self._target(model, version)
            answers = [] if target is None else self._answers(request)
            if target is not None and row < len(answers):
                told = orjson.loads(label)
                found.append(Labelled(model, version, answers[row], told, given - asked, target))
        if not new:  # after all have been removed, SQLite numbers from 1 again
            self.last = min(self.last, self.newest())
        return found

    def close(self) -> None:
        """Close the store."""
        self.db.close()

    def _target(self, model: str, version: str) -> Target | None:
        """What a version predicts; None when that is not stored."""
        known = self._targets.get((model, version))
        if known is None:
            find = "select schema from versions where model = ? and version = ?"
            row = self.db.execute(find, (model, version)).fetchone()
            if row is None:
                return None
            known = Schema.from_json(orjson.loads(row[0])).target
            self._targets[model, version] = known
        return known

    def _answers(self, request: str) -> list[Any]:
        """The answers to a request; labels of one request mostly come together."""
        if self._parsed[0] != request:
            find = "select answers from predictions where id = ?"
            row = self.db.execute(find, (request,)).fetchone()
            self._parsed = (request, records.answers(row[0]) if row else [])
        return self._parsed[1]
