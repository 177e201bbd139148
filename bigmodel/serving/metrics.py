"""The service's figures, as Prometheus reads them.

Several processes that share `$PROMETHEUS_MULTIPROC_DIR` have one set of figures, whichever of
them is asked.
"""

import os
from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

from bigmodel.serving.http import Request

# seconds: from a small table model to a large one under load
_BUCKETS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_VERSION = 12  # characters of a version: enough to tell them apart

_NOW = {
    "requests_in_flight": "Requests that were let in and are not answered yet",
    "requests_working": "Those of them that wait for a model or the answer of one",
    "records_waiting": "Rows of predictions that are not on the disk yet",
    "ready": "1 while new requests are welcome, per process",
    "process_resident_bytes": "Memory of all processes",
    "log_lines_dropped": "Lines of the log that nobody took in time",
}


class Metrics:
    """Counts and times what was answered, refused and stored; safe to use from several threads."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each: nobody reads them
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Answers", "route", "model", "version", "status")
        self._seconds = Histogram(
            "bigmodel_request_seconds", "From the head of a request to its answer",
            ("route", "model", "version"), buckets=_BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._rows = self._counter("rows", "Rows that were answered", "model", "version")
        self._shed = self._counter("shed", "Requests without room", "reason", "priority")
        self._records = self._counter(
            "records", "What became of predictions and labels", "kind", "outcome"
        )
        self._models = Gauge(
            "bigmodel_model_info", "The versions that answer", ("model", "version"),
            multiprocess_mode="livemax", registry=self._registry,
        )  # fmt: skip
        self._gauges = {
            name: Gauge(
                f"bigmodel_{name}", text, multiprocess_mode="livesum", registry=self._registry
            )
            for name, text in _NOW.items()
        }
        self._read: dict[str, Callable[[], float]] = {"process_resident_bytes": resident_bytes}
        self._children: dict[tuple[str, str, str, int], tuple[Counter, Histogram]] = {}

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"bigmodel_{name}", text, labels, registry=self._registry)

    def follow(self, name: str, read: Callable[[], float]) -> None:
        """From now on the gauge of this name is what `read` returns."""
        assert name in self._gauges
        self._read[name] = read

    def serves(self, model: str, version: str) -> None:
        """A version answers from now on."""
        self._models.labels(model, version[:_VERSION]).set(1)

    def observe(self, request: Request, route: str, status: int, seconds: float) -> None:
        """One answer; `route` is the path as the route names it, `request.model` who answered.

        What callers choose freely (paths, names of models that are not there) is no label: they
        could make as many series as they like.
        """
        model = request.model
        name, version = ("", "") if model is None else (model.name, model.version)
        key = (route, name, version, status)
        known = self._children.get(key)
        if known is None:
            labels = (route, name, version[:_VERSION])
            known = (self._requests.labels(*labels, str(status)), self._seconds.labels(*labels))
            self._children[key] = known
        known[0].inc()
        known[1].observe(seconds)
        if request.rows:
            self._rows.labels(name, version[:_VERSION]).inc(request.rows)

    def shed(self, reason: str, priority: str) -> None:
        """A request was refused for lack of room."""
        self._shed.labels(reason, priority).inc()

    def collected(self, kind: str, outcome: str, count: int) -> None:
        """What became of so many predictions or labels."""
        self._records.labels(kind, outcome).inc(count)

    def refresh(self) -> None:
        """Bring the gauges up to date: often, since another process may be asked for them."""
        for name, read in self._read.items():
            self._gauges[name].set(read())

    def now(self) -> dict[str, float]:
        """What the gauges of this process say."""
        return {name: read() for name, read in self._read.items()}

    def samples(self) -> Iterator[Sample]:
        """The figures of this process."""
        return (sample for family in self._registry.collect() for sample in family.samples)

    def exposition(self) -> bytes:
        """All figures as Prometheus reads them."""
        self.refresh()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def resident_bytes() -> float:
    """The memory that this process holds; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  asked for each second
            pages = int(file.read().split()[1])
    except OSError:
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
