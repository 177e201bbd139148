"""What is known of one version: how far its rows have drifted, how good its answers were."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bigmodel.serving.monitor import drift
from bigmodel.serving.monitor.alarms import Alarm, Alarms, Verdict
from bigmodel.serving.monitor.drift import Counted, Found
from bigmodel.serving.monitor.intervals import Interval
from bigmodel.serving.monitor.quality import Version
from bigmodel.serving.monitor.recent import key_of
from bigmodel.serving.settings import Monitor as Settings

ENOUGH = 100  # labelled predictions, below which no alarm is raised
_COLUMNS = 100  # that are told; of more, those that have moved most
_STILL = 0.5  # of the limit: an alarm ends below this, so that it does not come and go

Told = Mapping[str, Any]  # a version as a process tells it


def same_version(version: Told, parts: Sequence[Mapping[str, Any]]) -> list[Told]:
    """What all processes tell of this version."""
    names = ("model", "version")
    return [
        one
        for part in parts
        for one in part["versions"]
        if all(one[name] == version[name] for name in names)
    ]


class VersionReport:
    """A version as its process tells it, with the counts of all processes, and its labels."""

    def __init__(self, told: Told, same: Sequence[Told], quality: Version | None) -> None:
        self._told, self._quality = told, quality
        self.key = key_of(told["model"], told["version"])
        counted = [[Counted(**c) for c in one["columns"]] for one in same if one["columns"]]
        self._columns = drift.found(drift.together(counted)) if counted else []
        self._figures = quality.figures() if quality else {}

    def verdicts(self, settings: Settings) -> Iterator[Verdict]:
        """What there is to be alarmed about."""
        for column in self._columns:
            yield _drifted(column, self._alarm("drift", column.name), settings)
        for name, live in self._figures.items():
            trained = self._trained(name)
            if trained is not None:
                yield _worse(live, trained, self._alarm("quality", name), settings.margin)

    def content(self, alarms: Alarms) -> dict[str, Any]:
        """For the report; its `drift.columns` are the largest, in the order of the schema."""
        columns = self._columns
        if len(columns) > _COLUMNS:
            most = sorted(columns, key=lambda column: -column.psi)[:_COLUMNS]
            kept = {column.name for column in most}
            columns = [column for column in columns if column.name in kept]
        names = ("model", "version", "label", "task", "created", "learning")
        return {
            **{name: self._told[name] for name in names},
            "drift": {
                "rows": max((sum(c.counted.live) for c in self._columns), default=0),
                "watched": len(self._columns),
                "answers": self._told["answers"],
                "columns": [_shown(c, self._since(alarms, "drift", c.name)) for c in columns],
            },
            "quality": self._qualities(alarms),
        }

    def _qualities(self, alarms: Alarms) -> dict[str, Any]:
        quality = self._quality
        totals = quality.totals() if quality else {}
        p50, p95 = (quality.delays() if quality else None) or (None, None)
        return {
            "labelled": quality.labelled if quality else 0,
            "stored": quality.stored if quality else 0,
            "delay_p50_seconds": p50,
            "delay_p95_seconds": p95,
            "figures": {
                name: {
                    **live._asdict(),
                    "total": totals[name],
                    "trained": self._trained(name),
                    "since": self._since(alarms, "quality", name),
                }
                for name, live in self._figures.items()
            },
        }

    def _trained(self, name: str) -> float | None:
        """What training measured: on the test rows, or else on those of validation."""
        metrics = self._told["metrics"]
        tested: float | None = metrics.get(f"test/{name}")
        return metrics.get(f"val/{name}") if tested is None else tested

    def _alarm(self, kind: str, name: str) -> Alarm:
        return Alarm(kind, self._told["model"], self._told["version"], name)

    def _since(self, alarms: Alarms, kind: str, name: str) -> float | None:
        return alarms.since.get(self._alarm(kind, name))


def _drifted(column: Found, alarm: Alarm, settings: Settings) -> Verdict:
    rows = sum(column.counted.live)
    enough = rows >= drift.ENOUGH
    begins = column.psi >= settings.psi and column.p < settings.significance
    text = (
        f"PSI {column.psi:.3g} (limit {settings.psi:g}), p {column.p:.2g}, missing "
        f"{column.missing:.1%} ({column.missing_in_training:.1%} in training), {rows:,} rows"
    )
    return Verdict(alarm, enough and begins, enough and column.psi < _STILL * settings.psi, text)


def _worse(live: Interval, trained: float, alarm: Alarm, margin: float) -> Verdict:
    if alarm.name == "accuracy":
        bound = trained * (1 - margin)
        worse, fine = live.high < bound, live.value >= bound
    else:
        bound = trained * (1 + margin)
        worse, fine = live.low > bound, live.value <= bound
    text = (
        f"{live.value:.4g} ({live.low:.4g} to {live.high:.4g}) by the latest {live.rows:,} "
        f"labels, {trained:.4g} in training"
    )
    return Verdict(alarm, worse and live.rows >= ENOUGH, fine, text)


def _shown(column: Found, since: float | None) -> dict[str, Any]:
    counted = column.counted
    return {
        "name": column.name,
        "kind": counted.kind,
        "psi": column.psi,
        "ks": column.ks,
        "p": column.p,
        "missing": column.missing,
        "missing_in_training": column.missing_in_training,
        "new": column.new,
        "since": since,
        "training": _shares(counted.training),
        "live": _shares(counted.live),
    }


def _shares(counts: Sequence[float]) -> list[float]:
    whole = max(sum(counts), 1e-9)
    return [round(count / whole, 4) for count in counts]
