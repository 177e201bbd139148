"""The report as Prometheus reads it: the same figures from whichever process is asked.

A report has at most so many columns of a version, so that the number of series is bounded; those
of a version that is not served any more are gone with it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bigmodel.serving.answered import SHORT

_DRIFT = {
    "psi": "Population stability index of the latest rows against training",
    "ks": "Kolmogorov-Smirnov distance of the latest rows from training, by bins",
    "p": "Chance that a column which did not change looks so, corrected for all columns",
    "missing": "Share of missing values in the latest rows",
    "new": "Share of categories that training did not have",
}
_QUALITY = {
    "value": "Figure of the latest labelled predictions",
    "low": "Lower bound of its 99 % interval",
    "high": "Upper bound of its 99 % interval",
    "total": "Figure of all labelled predictions that are stored",
    "trained": "The same figure in training",
}
_VERSION = ("model", "version")


def exposition(report: Mapping[str, Any]) -> bytes:
    """The text; families without samples where there is nothing to say."""
    registry = CollectorRegistry()
    registry.register(_Report(report.get("versions", [])))
    return generate_latest(registry)


class _Report(Collector):
    def __init__(self, versions: Iterable[Mapping[str, Any]]) -> None:
        self._versions = list(versions)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """All families."""
        for name, text in _DRIFT.items():
            yield self._columns(f"drift_{name}", text, name)
        yield self._columns("drift_alarm", "1 while a column is alarmingly unlike training", None)
        for name, text in _QUALITY.items():
            yield self._figures(f"quality_{name}", text, name)
        yield self._figures("quality_alarm", "1 while a figure is worse than in training", None)
        yield self._each("drift_rows", "Latest rows that were looked at", "drift", "rows")
        yield self._each("predictions_stored", "Predictions in the store", "quality", "stored")
        yield self._each("predictions_labelled", "Those with a label", "quality", "labelled")
        yield self._delays()

    def _columns(self, name: str, text: str, field: str | None) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"bigmodel_{name}", text, labels=(*_VERSION, "column"))
        for version in self._versions:
            for column in version["drift"]["columns"]:
                _add(family, version, column["name"], _read(column, field))
        return family

    def _figures(self, name: str, text: str, field: str | None) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"bigmodel_{name}", text, labels=(*_VERSION, "figure"))
        for version in self._versions:
            for figure, content in version["quality"]["figures"].items():
                _add(family, version, figure, _read(content, field))
        return family

    def _each(self, name: str, text: str, part: str, field: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"bigmodel_{name}", text, labels=_VERSION)
        for version in self._versions:
            family.add_metric(_labels(version), version[part][field])
        return family

    def _delays(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "bigmodel_label_delay_seconds", "From a prediction to its label, of the latest",
            labels=(*_VERSION, "quantile"),
        )  # fmt: skip
        for version in self._versions:
            for level, field in (("0.5", "p50"), ("0.95", "p95")):
                _add(family, version, level, version["quality"][f"delay_{field}_seconds"])
        return family


def _read(content: Mapping[str, Any], field: str | None) -> float | None:
    if field is None:
        return float(content["since"] is not None)
    value: float | None = content[field]
    return value


def _add(
    family: GaugeMetricFamily, version: Mapping[str, Any], label: str, value: float | None
) -> None:
    if value is not None:
        family.add_metric([*_labels(version), label], value)


def _labels(version: Mapping[str, Any]) -> list[str]:
    return [version["model"], version["version"][:SHORT]]
