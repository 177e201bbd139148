"""The service's figures, as Prometheus reads them.

Several workers have one set of figures, whichever of them is asked: see `worker.Line`.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from bigmodel.serving.answered import SHORT, Answered
from bigmodel.serving.figures import Snapshot
from bigmodel.serving.http import Request
from bigmodel.serving.worker import Line

_NOW = {
    "requests_in_flight": "Requests that were let in and are not answered yet",
    "requests_working": "Those of them that wait for a model or the answer of one",
    "records_waiting": "Rows of predictions that are not on the disk yet",
    "ready": "1 while new requests are welcome, per process",
    "process_resident_bytes": "Memory of all processes",
    "log_lines_dropped": "Lines of the log that nobody took in time",
}


class Metrics:
    """Counts and times what was answered, refused and stored; safe to use from several threads.

    `line` leads to the other workers, where there are any.
    """

    def __init__(self, line: Line | None = None) -> None:
        self.line = line
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each: nobody reads them
        self._registry = CollectorRegistry()
        self._answered = Answered()
        self._registry.register(self._answered)
        self._shed = self._counter("shed", "Requests without room", "reason", "priority")
        self._records = self._counter(
            "records", "What became of predictions and labels", "kind", "outcome"
        )
        self._models = Gauge(
            "bigmodel_model_info", "The versions that answer", ("model", "version"),
            registry=self._registry,
        )  # fmt: skip
        self._gauges = {
            name: Gauge(f"bigmodel_{name}", text, registry=self._registry)
            for name, text in _NOW.items()
        }
        self._read: dict[str, Callable[[], float]] = {"process_resident_bytes": resident_bytes}

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"bigmodel_{name}", text, labels, registry=self._registry)

    def follow(self, name: str, read: Callable[[], float]) -> None:
        """From now on the gauge of this name is what `read` returns."""
        assert name in self._gauges
        self._read[name] = read

    def add(self, figures: Collector) -> None:
        """Others' figures, which are asked for when these are."""
        self._registry.register(figures)

    def serves(self, model: str, version: str) -> None:
        """A version answers from now on."""
        self._models.labels(model, version[:SHORT]).set(1)

    def retires(self, model: str, version: str) -> None:
        """A version does not answer any more."""
        self._models.labels(model, version[:SHORT]).set(0)

    def observe(self, request: Request, route: str, status: int, seconds: float) -> None:
        """One answer; `route` is the path as the route names it, `request.model` who answered.

        What callers choose freely (paths, names of models that are not there) is no label: they
        could make as many series as they like.
        """
        model = request.model
        name, version = ("", "") if model is None else (model.name, model.version)
        self._answered.add(route, name, version, status, seconds, request.rows)

    def shed(self, reason: str, priority: str) -> None:
        """A request was refused for lack of room."""
        self._shed.labels(reason, priority).inc()

    def collected(self, kind: str, outcome: str, count: int) -> None:
        """What became of so many predictions or labels."""
        self._records.labels(kind, outcome).inc(count)

    def refresh(self) -> None:
        """Bring the gauges up to date: often, since another worker may be asked for them."""
        for name, read in self._read.items():
            self._gauges[name].set(read())
        if self.line is not None:
            self.line.publish(self.snapshot())

    def snapshot(self) -> Snapshot:
        """The figures of this process; what is no number is left out.

        Of several processes, counts and what each of them has for itself are added up; of any
        other gauge the greatest counts.
        """
        own = {f"bigmodel_{name}" for name in _NOW}
        return [
            [
                *(family.name, family.type, family.documentation),
                "max" if family.type == "gauge" and family.name not in own else "sum",
                [[s.name, s.labels, s.value] for s in family.samples if math.isfinite(s.value)],
            ]
            for family in self._registry.collect()
        ]

    def now(self) -> dict[str, float]:
        """What the gauges of this process say."""
        return {name: read() for name, read in self._read.items()}

    def samples(self) -> Iterator[Sample]:
        """The figures of this process."""
        return (sample for family in self._registry.collect() for sample in family.samples)

    async def exposition(self) -> bytes:
        """All figures as Prometheus reads them. Raises TimeoutError when others' do not come."""
        self.refresh()
        if self.line is None:
            return generate_latest(self._registry)
        return generate_latest(_All(await self.line.figures(self.snapshot())))


class _All(Collector):
    """The figures of all workers."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        for name, kind, text, _, samples in self._snapshot:
            family = Metric(name, text, kind)
            for sample, labels, value in samples:
                family.add_sample(sample, labels, value)
            yield family


def resident_bytes() -> float:
    """The memory that this process holds; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  asked for each second
            pages = int(file.read().split()[1])
    except OSError:
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
