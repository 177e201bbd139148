"""What all processes of a service know, as one document: for the status page and the figures."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bigmodel.serving.monitor import drift, recent
from bigmodel.serving.monitor.alarms import Alarm, Alarms
from bigmodel.serving.monitor.quality import Version
from bigmodel.serving.monitor.recent import SLICE
from bigmodel.serving.monitor.version_report import ENOUGH, VersionReport, same_version
from bigmodel.serving.settings import Monitor as Settings

_ERRORS = 50
_MINUTE = 60 // SLICE  # slices

Qualities = Mapping[tuple[str, str], Version]


def report(
    parts: Sequence[Mapping[str, Any]], qualities: Qualities, alarms: Alarms, settings: Settings
) -> dict[str, Any]:
    """The document, after the alarms have been judged; the first part is of who asks.

    `parts` are what `Monitor` tells of each process.
    """
    told = {(one["model"], one["version"]): one for one in parts[0]["versions"]}
    versions = [
        VersionReport(one, same_version(one, parts), qualities.get(key))
        for key, one in told.items()
    ]
    alarms.judge([verdict for one in versions for verdict in one.verdicts(settings)], told.keys())
    slices = recent.together([part["slices"] for part in parts])
    started = min(part["started"] for part in parts)
    errors = sorted((e for part in parts for e in part["errors"]), key=lambda e: -e["time"])
    whole = recent.added(slices.values())
    minute = recent.added(list(slices.values())[-_MINUTE:])
    return {
        "time": time.time(),
        "started": started,
        "processes": len(parts),
        "now": recent.added(part["now"] for part in parts),
        "traffic": {
            **_traffic(whole, minute, started),
            "shed": recent.shed(whole),
            "history": [_moment(place, numbers) for place, numbers in slices.items()],
        },
        "models": parts[0]["models"],
        "versions": [
            {**one.content(alarms), "traffic": _traffic(whole, minute, started, one.key)}
            for one in versions
        ],
        "alarms": [{**alarm._asdict(), "since": at} for alarm, at in alarms.since.items()],
        "errors": errors[:_ERRORS],
        "limits": {
            "psi": settings.psi,
            "significance": settings.significance,
            "margin": settings.margin,
            "rows": drift.ENOUGH,
            "labels": ENOUGH,
        },
    }


def restore(alarms: Alarms, document: Mapping[str, Any] | None) -> None:
    """Go on with the alarms of the process that judged before: they began once."""
    for told in (document or {}).get("alarms", []):
        alarm = Alarm(*(told[name] for name in Alarm._fields))
        alarms.since.setdefault(alarm, told["since"])


def _traffic(
    whole: Mapping[str, float], minute: Mapping[str, float], started: float, of: str = ""
) -> dict[str, Any]:
    """Rates of the last minute; times and shares of the last five."""
    now = time.time()
    rates = recent.rates(minute, min(60 - SLICE + now % SLICE, max(now - started, 1.0)), of)
    return {**rates, **recent.outcomes(whole, of)}


def _moment(place: int, numbers: Mapping[str, float]) -> dict[str, Any]:
    """A point of the curves."""
    return {
        "time": place * SLICE,
        "requests_per_second": recent.rates(numbers, SLICE)["requests_per_second"],
        "p99_seconds": recent.quantile(numbers, 0.99),
    }
