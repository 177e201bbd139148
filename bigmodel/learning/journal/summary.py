"""What the newest version of a log tells of itself and of all before it; anybody may read it."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigmodel.learning.events import Report
from bigmodel.learning.journal import store

if TYPE_CHECKING:
    from bigmodel.learning.learner import Learner


@dataclass(frozen=True)
class Summary:
    """`quality` of the last labels and `weights` of the experts, as they are; the rest is counted
    since the first label: `counts` by what was done with labels, `drifts`, `vetoes`.
    """

    quality: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    challengers: Mapping[str, Mapping[str, float | bool]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    drifts: int = 0
    vetoes: int = 0

    def after(self, report: Report, learner: "Learner") -> "Summary":
        """With one more block, which has made the learner what it is."""
        done = {"learnt": report.learnt, "anchored": report.anchored, "held": report.held}
        counts = Counter(self.counts) + Counter(done | report.refused)
        live = learner.live
        return Summary(
            learner.quality.figures(),
            dict(zip(live.names, live.mixer.weights.tolist(), strict=True)),
            learner.challengers.figures(),
            dict(counts),
            self.drifts + report.drifted,
            self.vetoes + report.vetoed,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, report: str) -> "Summary":
        """Of a version's report; what another bigmodel did not tell is empty, or nought."""
        told = json.loads(report).get("summary", {})
        return cls(**{one.name: told[one.name] for one in fields(cls) if one.name in told})


@dataclass(frozen=True)
class Moment:
    """A version, when it was made (seconds since 1970), and what it told."""

    version: int
    time: float
    summary: Summary


def waiting(place: Path) -> int:
    """How many labels of the log in `place` are not learnt yet. Raises sqlite3.Error."""
    with closing(_opened(place)) as db:
        return store.waiting(db)


def moments(place: Path, most: int) -> list[Moment]:
    """At most so many versions of the log in `place`, evenly from the first to the newest.

    With `most` 1 it is the newest. Raises sqlite3.Error.
    """
    with closing(_opened(place)) as db:
        first, last = db.execute("select min(version), max(version) from versions").fetchone()
        if last is None:
            return []
        steps = max(1, most - 1)
        numbers = sorted({last - (last - first) * step // steps for step in range(most)})
        marks = ", ".join("?" * len(numbers))
        select = f"select version, time, report from versions where version in ({marks})"
        found = db.execute(f"{select} order by version", numbers).fetchall()
        return [Moment(number, time, Summary.of(report)) for number, time, report in found]


def _opened(place: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{(place / store.NAME).resolve().as_uri()}?mode=ro", uri=True, timeout=1.0
    )
