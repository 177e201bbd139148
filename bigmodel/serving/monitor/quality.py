"""How good the answers turned out to be: labels of the feedback, joined with what was answered.

Read from the store, so that it outlives a restart and is the same for all processes: at first all
labels that it holds, later those that came since.
"""

import math
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from bigmodel.data.schema import Schema, Target
from bigmodel.data.target import class_of
from bigmodel.serving import records
from bigmodel.serving.monitor.intervals import Interval, mean, wilson

_AT_ONCE = 2000  # labels of one look: a store with millions must not keep a processor busy
_SETTLED = 2.0  # seconds: by then the prediction, which nobody waits for, is stored, too
_LEAST = 1e-15  # of a probability: a certain mistake is infinitely bad, but one of many

_NEW = """
select l.rowid, l.request, l.row, l.time, l.label, p.model, p.version, p.time
from labels l left join predictions p on p.id = l.request
where l.rowid > ? order by l.rowid limit ?"""
_STORED = """
select model, version, sum(row_count), max(rowid) from predictions
where rowid > ? group by model, version"""


class Judged(NamedTuple):
    """A labelled prediction: what it adds to each figure, and the seconds until its label came."""

    delay: float
    figures: dict[str, float]


class Version:
    """The labelled predictions of one version: all of them counted, the latest kept."""

    def __init__(self, window: int) -> None:
        self.latest: deque[Judged] = deque(maxlen=window)
        self.labelled = self.stored = 0  # rows: with a label, and all whose answers are stored
        self._sums: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def add(self, judged: Judged) -> None:
        """One more."""
        self.latest.append(judged)
        self.labelled += 1
        self._sums.update(judged.figures)
        self._counts.update(judged.figures.keys())

    def figures(self) -> dict[str, Interval]:
        """Of the latest, by the names of training's metrics."""
        names = dict.fromkeys(name for judged in self.latest for name in judged.figures)
        return {
            name: _interval(name, [j.figures[name] for j in self.latest if name in j.figures])
            for name in names
        }

    def totals(self) -> dict[str, float]:
        """Of all."""
        means = {name: self._sums[name] / count for name, count in self._counts.items()}
        return {name: _unit(name, value) for name, value in means.items()}

    def delays(self) -> tuple[float, float] | None:
        """The median and the 95 % quantile of the seconds until a label came."""
        if not self.latest:
            return None
        p50, p95 = np.quantile([one.delay for one in self.latest], (0.5, 0.95)).tolist()
        return p50, p95


def _interval(name: str, values: list[float]) -> Interval:
    if name == "accuracy":
        return wilson(round(sum(values)), len(values))
    found = mean(values)
    value, low, high = (_unit(name, end) for end in (found.value, found.low, found.high))
    return Interval(value, low, high, found.rows)


def _unit(name: str, value: float) -> float:
    """The figure that a mean stands for."""
    return math.sqrt(max(0.0, value)) if name == "rmse" else value


class Quality:
    """Follows the labels of the store at `path`; `window` of them make a version's figures."""

    def __init__(self, path: Path, window: int) -> None:
        self._path, self._window = path, window
        self._db: sqlite3.Connection | None = None
        self._label = self._prediction = 0  # the rows of the tables that were read last
        self._targets: dict[tuple[str, str], Target] = {}
        self._parsed: tuple[str, list[Any]] = ("", [])
        self.versions: dict[tuple[str, str], Version] = {}

    def look(self) -> bool:
        """Read what is new; returns whether there is more to read. Raises `sqlite3.Error`."""
        if self._db is None:
            self._db = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
        self._count_stored(self._db)
        settled = time.time() - _SETTLED
        new = self._db.execute(_NEW, (self._label, _AT_ONCE)).fetchall()
        for rowid, request, row, given, label, *prediction in new:
            if given > settled:
                return False
            self._label = rowid
            self._take(self._db, request, row, given, label, *prediction)
        if not new:  # after all have been removed, SQLite numbers from 1 again
            (last,) = self._db.execute("select max(rowid) from labels").fetchone()
            self._label = min(self._label, last or 0)
        return len(new) == _AT_ONCE

    def close(self) -> None:
        """Close the store."""
        if self._db is not None:
            self._db.close()

    def _take(self, db: sqlite3.Connection, request: str, row: int, given: float, label: bytes,
              model: str | None, version: str, asked: float) -> None:  # fmt: skip
        """One label; `model` is None where the prediction was not kept, or is gone."""
        target = None if model is None else self._target(db, model, version)
        if model is None or target is None:
            return
        answers = self._answers(db, request)
        if row < len(answers):
            judged = judge(answers[row], orjson.loads(label), target, given - asked)
            self._version(model, version).add(judged)

    def _count_stored(self, db: sqlite3.Connection) -> None:
        for model, version, rows, rowid in db.execute(_STORED, (self._prediction,)).fetchall():
            self._version(model, version).stored += rows
            self._prediction = max(self._prediction, rowid)

    def _version(self, model: str, version: str) -> Version:
        return self.versions.setdefault((model, version), Version(self._window))

    def _target(self, db: sqlite3.Connection, model: str, version: str) -> Target | None:
        known = self._targets.get((model, version))
        if known is None:
            find = "select schema from versions where model = ? and version = ?"
            row = db.execute(find, (model, version)).fetchone()
            if row is None:
                return None
            known = Schema.from_json(orjson.loads(row[0])).target
            self._targets[model, version] = known
        return known

    def _answers(self, db: sqlite3.Connection, request: str) -> list[Any]:
        """The answers to a request; labels of one request mostly come together."""
        if self._parsed[0] != request:
            find = "select answers from predictions where id = ?"
            row = db.execute(find, (request,)).fetchone()
            self._parsed = (request, records.answers(row[0]) if row else [])
        return self._parsed[1]


def judge(answer: Mapping[str, Any], label: str | float, target: Target, delay: float) -> Judged:
    """What the label (as stored: a class's text, or a number) says of an answer."""
    prediction = answer["prediction"]
    if not isinstance(label, str):
        off = float(prediction) - label
        return Judged(delay, {"mae": abs(off), "rmse": off * off})
    figures = {"accuracy": float(class_of(prediction, target) == label)}
    shares = answer.get("probabilities") or {}
    if label in shares:  # a caller may have asked for fewer
        figures["log_loss"] = -math.log(max(shares[label], _LEAST))
    return Judged(delay, figures)
