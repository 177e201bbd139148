"""What was answered in the last minutes, from the service's own figures: nothing is counted twice.

Each look at the figures adds what came since the one before to the slice of its time. A process
tells its slices as plain numbers, so that those of several can be added.
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.samples import Sample

from bigmodel.serving.answered import SHORT

SLICE = 10  # seconds
SLICES = 30  # five minutes
_ASKED = ("/predict", "/infer")  # how the routes end whose times are told

Numbers = dict[str, float]  # how much by what: see `_names`


class Traffic:
    """Follows the figures of one process."""

    def __init__(self) -> None:
        self._before: Numbers | None = None
        self._slices: deque[tuple[int, Numbers]] = deque(maxlen=SLICES)

    def look(self, samples: Iterable[Sample]) -> None:
        """Take the figures of now; those of the first look are from before its time."""
        now = _named(samples)
        place = int(time.time()) // SLICE
        if not self._slices or self._slices[-1][0] != place:
            self._slices.append((place, defaultdict(float)))
        if self._before is not None:
            for name, value in now.items():
                self._slices[-1][1][name] += value - self._before.get(name, 0.0)
        self._before = now

    def slices(self) -> dict[str, Numbers]:
        """What came, by slice of time (seconds since 1970, divided by `SLICE`)."""
        return {str(place): dict(numbers) for place, numbers in self._slices}


def together(parts: Sequence[Mapping[str, Numbers]]) -> dict[int, Numbers]:
    """The slices of several processes, added: those of the last minutes, the oldest first."""
    now = int(time.time()) // SLICE
    found: dict[int, Numbers] = {now - back: {} for back in reversed(range(SLICES))}
    for part in parts:
        for place, numbers in part.items():
            if int(place) in found:
                found[int(place)] = added([found[int(place)], numbers])
    return found


def added(parts: Iterable[Mapping[str, float]]) -> Numbers:
    """The sums, by name."""
    found: Numbers = defaultdict(float)
    for part in parts:
        for name, value in part.items():
            found[name] += value
    return found


def rates(numbers: Mapping[str, float], seconds: float, of: str = "") -> dict[str, float]:
    """Requests and rows by second of what came within `seconds`.

    `of` is a version (`key_of`), or empty: of all.
    """
    return {
        "requests_per_second": _sum(numbers, f"status|{of}") / seconds,
        "rows_per_second": _sum(numbers, f"rows|{of}") / seconds,
    }


def outcomes(numbers: Mapping[str, float], of: str = "") -> dict[str, float | None]:
    """How many requests, which shares of them were refused (4xx) and failed (5xx), their times."""
    asked = _sum(numbers, f"status|{of}")
    refused, failed = (_sum(numbers, f"status|{of}", f"|{kind}") for kind in "45")
    return {
        "requests": asked,
        "refused": refused / asked if asked else 0.0,
        "failed": failed / asked if asked else 0.0,
        "p50_seconds": quantile(numbers, 0.5, of),
        "p99_seconds": quantile(numbers, 0.99, of),
    }


def quantile(numbers: Mapping[str, float], level: float, of: str = "") -> float | None:
    """The time of an answer, in seconds, between the buckets' bounds; None without answers.

    As Prometheus' `histogram_quantile`: as if the times of a bucket were spread evenly.
    """
    buckets: defaultdict[float, float] = defaultdict(float)
    for name, count in numbers.items():
        if name.startswith(f"bucket|{of}"):
            buckets[float(name.rpartition("|")[2])] += count
    whole = buckets[float("inf")]
    low = below = 0.0
    for bound in sorted(buckets):
        if whole and buckets[bound] >= level * whole:
            if bound == float("inf"):
                return low
            share = (level * whole - below) / max(buckets[bound] - below, 1e-12)
            return low + (bound - low) * share
        low, below = bound, buckets[bound]
    return None


def key_of(model: str, version: str) -> str:
    """How a version is named in the numbers: as in the figures, by its first characters."""
    return f"{model}|{version[:SHORT]}"


def shed(numbers: Mapping[str, float]) -> dict[str, int]:
    """Requests without room, by the reason."""
    return {
        name.split("|")[1]: round(count)
        for name, count in sorted(numbers.items())
        if name.startswith("shed|")
    }


def _named(samples: Iterable[Sample]) -> Numbers:
    """The counters that are told, under one name each."""
    found: Numbers = defaultdict(float)
    for sample in samples:
        labels = sample.labels
        of = key_of(labels.get("model", ""), labels.get("version", ""))
        if sample.name == "bigmodel_shed_total":
            found[f"shed|{labels['reason']}"] += sample.value
        elif sample.name == "bigmodel_rows_total":
            found[f"rows|{of}"] += sample.value
        elif not labels.get("route", "").endswith(_ASKED):
            continue
        elif sample.name == "bigmodel_requests_total":
            found[f"status|{of}|{labels['status'][0]}"] += sample.value
        elif sample.name == "bigmodel_request_seconds_bucket":
            found[f"bucket|{of}|{labels['le']}"] += sample.value
    return found


def _sum(numbers: Mapping[str, float], start: str, end: str = "") -> float:
    return sum(n for name, n in numbers.items() if name.startswith(start) and name.endswith(end))
