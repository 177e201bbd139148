"""What a model that keeps learning tells of itself: to people in short, to Prometheus in full."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from bigmodel.serving.living.living import Living


_LABELS = ("model", "version")
_VERSION = 12  # characters of a version: enough to tell them apart
_POINTS = 60  # of the curves on the status page


def told(living: "Living") -> dict[str, Any]:
    """In short; delays and join rate are of the process that is asked."""
    summary, joins = living.summary, living.joins
    asked = sum(joins.values())
    delays = np.quantile(living.delays, (0.5, 0.95)).tolist() if living.delays else [None, None]
    return {
        "version": living.live.version,
        "new_classes": {"added": list(living.live.added), "waiting": living.held},
        "labels": living.live.labels,
        "learns": living.learns and living.problem is None,
        "problem": living.problem,
        **asdict(summary),
        "waiting": living.waiting,
        "label_delay_seconds": dict(zip(("p50", "p95"), delays, strict=True)),
        "join_rate": (joins["queued"] + joins["known"]) / asked if asked else None,
    }


def over_time(living: "Living") -> dict[str, Any]:
    """For the status page: what is told, and how quality and weights came to be so."""
    curve = [
        {
            "version": one.version,
            "time": one.time,
            "drifts": one.summary.drifts,
            "quality": _short(one.summary.quality),
            "weights": _short(one.summary.weights),
        }
        for one in living.moments(_POINTS)
    ]
    return told(living) | {"curve": curve}


def _short(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


class LearningFigures(Collector):
    """All figures of the models that keep learning, which `models` gives: (name, learner) pairs."""

    def __init__(self, models: "Callable[[], Iterable[tuple[str, Living]]]") -> None:
        self._models = models

    def collect(self) -> Iterable[Metric]:
        """For Prometheus: nothing where no model keeps learning."""
        found: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}

        def say(name: str, text: str, value: float, *labels: str, more: str = "") -> None:
            count = text.startswith("Count")
            kind = CounterMetricFamily if count else GaugeMetricFamily
            names = (*_LABELS, *([more] if more else []))
            family = found.setdefault(name, kind(f"bigmodel_learning_{name}", text, labels=names))
            family.add_metric(labels, value)

        for name, living in self._models():
            which = (name, living.version[:_VERSION])
            say("version", "Number of the published version", living.live.version, *which)
            for outcome, count in list(living.joins.items()):
                text = "Count of labels by what became of them when they came"
                say("feedback", text, count, *which, outcome, more="outcome")
            _of_delays(living, which, say)
            if living.leader is not None:  # the one process of which there is one
                _of_leader(living, which, say)
        return list(found.values())


def _of_delays(living: "Living", which: tuple[str, str], say: Callable[..., None]) -> None:
    if not living.delays:
        return
    for share in (0.5, 0.95):
        value = float(np.quantile(living.delays, share))
        text = "From predictions to labels"
        say("label_delay_seconds", text, value, *which, str(share), more="quantile")


def _of_leader(living: "Living", which: tuple[str, str], say: Callable[..., None]) -> None:
    summary, waiting = living.summary, living.waiting
    for name, value in summary.quality.items():
        text = "Of the last labels, each answer judged before it was learnt from"
        say("quality", text, value, *which, name, more="figure")
    for name, value in summary.weights.items():
        say("weight", "Of the experts in the mixture", value, *which, name, more="expert")
    for name, count in summary.counts.items():
        text = "Count of labels by what the learner did with them"
        say("labels", text, count, *which, name, more="outcome")
    for name, score in summary.challengers.items():
        text = "Log loss of the mixture less that of a challenger"
        say("challenger_gain", text, score["gain"], *which, name, more="challenger")
    say("drifts", "Count of changes that were noticed", summary.drifts, *which)
    say("vetoes", "Count of versions that the guard did not publish", summary.vetoes, *which)
    say("waiting", "Labels that are not learnt yet", waiting or 0, *which)
