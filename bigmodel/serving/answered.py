"""What was answered, counted: plain numbers, made into the figures that are read when they are.

A request is counted in the time that one increment of the library's own counters takes: those are
made for several threads, and here it is always the event loop that counts.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

# seconds: from a small table model to a large one under load
BUCKETS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
SHORT = 12  # characters of a version: enough to tell them apart
_BOUNDS = [*map(str, BUCKETS), "+Inf"]


class _Count:
    """Of the answers of one kind: how many requests and rows by the bucket of their seconds."""

    __slots__ = ("buckets", "rows", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * len(_BOUNDS)
        self.rows, self.seconds = 0, 0.0


class Answered(Collector):
    """Counts answers by route, model, version and status. Read by any thread."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, str, str, int], _Count] = defaultdict(_Count)

    def add(
        self, route: str, model: str, version: str, status: int, seconds: float, rows: int
    ) -> None:
        """One answer, to a request of so many rows."""
        count = self._counts[route, model, version, status]
        count.buckets[bisect_left(BUCKETS, seconds)] += 1
        count.seconds += seconds
        count.rows += rows

    def collect(self) -> Iterable[Metric]:
        """Requests, their seconds, and rows."""
        requests = CounterMetricFamily(
            "bigmodel_requests", "Answers", labels=("route", "model", "version", "status")
        )
        times: dict[tuple[str, str, str], _Count] = defaultdict(_Count)
        by_version: dict[tuple[str, str], int] = defaultdict(int)
        for (route, model, version, status), count in list(self._counts.items()):
            version = version[:SHORT]
            buckets = list(count.buckets)
            requests.add_metric((route, model, version, str(status)), sum(buckets))
            whole = times[route, model, version]
            whole.buckets = [a + b for a, b in zip(whole.buckets, buckets, strict=True)]
            whole.seconds += count.seconds
            by_version[model, version] += count.rows
        seconds = HistogramMetricFamily(
            "bigmodel_request_seconds", "From the head of a request to its answer",
            labels=("route", "model", "version"),
        )  # fmt: skip
        for key, whole in times.items():
            up_to = accumulate(whole.buckets)
            seconds.add_metric(key, list(zip(_BOUNDS, up_to, strict=True)), whole.seconds)
        rows = CounterMetricFamily(
            "bigmodel_rows", "Rows that were answered", labels=("model", "version")
        )
        for of, number in by_version.items():
            if number:
                rows.add_metric(of, number)
        return (requests, seconds, rows)
