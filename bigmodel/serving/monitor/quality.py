"""How good the answers turned out to be: labels of the feedback, joined with what was answered.

Read from the store, so that it outlives a restart and is the same for all processes: at first all
labels that it holds, later those that came since.
"""

import math
import sqlite3
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bigmodel.data.schema import Target
from bigmodel.data.target import class_of
from bigmodel.serving.labelled import Labels
from bigmodel.serving.monitor.intervals import Interval, mean, wilson

_AT_ONCE = 2000  # labels of one look: a store with millions must not keep a processor busy
_LEAST = 1e-15  # of a probability: a certain mistake is infinitely bad, but one of many

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
        self._labels: Labels | None = None
        self._prediction = 0  # the row of the table that was counted last
        self.versions: dict[tuple[str, str], Version] = {}

    def look(self) -> bool:
        """Read what is new; returns whether there is more to read. Raises `sqlite3.Error`."""
        if self._labels is None:
            self._labels = Labels(self._path)
        self._count_stored(self._labels.db)
        for one in self._labels.next(_AT_ONCE):
            judged = judge(one.answer, one.label, one.target, one.delay)
            self._version(one.model, one.version).add(judged)
        return self._labels.more

    def close(self) -> None:
        """Close the store."""
        if self._labels is not None:
            self._labels.close()

    def _count_stored(self, db: sqlite3.Connection) -> None:
        for model, version, rows, rowid in db.execute(_STORED, (self._prediction,)).fetchall():
            self._version(model, version).stored += rows
            self._prediction = max(self._prediction, rowid)

    def _version(self, model: str, version: str) -> Version:
        return self.versions.setdefault((model, version), Version(self._window))


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
