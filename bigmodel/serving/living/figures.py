"""What a model that keeps learning tells of itself: to people in short, to Prometheus in full."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from bigmodel.serving.living.living import Living


_LABELS = ("model", "version")
_VERSION = 12  # characters of a version: enough to tell them apart


def told(living: "Living") -> dict[str, Any]:
    """In short; what only the learning process knows is null in the others."""
    leader, joins = living.leader, living.joins
    asked = sum(joins.values())
    delays = np.quantile(living.delays, (0.5, 0.95)).tolist() if living.delays else [None, None]
    return {
        "version": living.live.version,
        "new_classes": {"added": list(living.live.added), "waiting": living.held},
        "labels": living.live.labels,
        "learns": living.learns and living.problem is None,
        "problem": living.problem,
        "quality": None if leader is None else leader.quality,
        "counts": None if leader is None else dict(leader.counts),
        "drifts": None if leader is None else leader.drifts,
        "waiting": None if leader is None else leader.waiting,
        "challengers": None if leader is None else leader.challengers,
        "weights": weights(living),
        "label_delay_seconds": dict(zip(("p50", "p95"), delays, strict=True)),
        "join_rate": (joins["queued"] + joins["known"]) / asked if asked else None,
    }


def weights(living: "Living") -> dict[str, float]:
    """Of the experts, as the published version mixes them."""
    live = living.live
    return dict(zip(live.names, live.mixer.weights.tolist(), strict=True))


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
    leader = living.leader
    assert leader is not None
    for name, value in dict(leader.quality).items():
        text = "Of the last labels, each answer judged before it was learnt from"
        say("quality", text, value, *which, name, more="figure")
    for name, value in weights(living).items():
        say("weight", "Of the experts in the mixture", value, *which, name, more="expert")
    for name, count in dict(leader.counts).items():
        text = "Count of labels by what the learner did with them"
        say("labels", text, count, *which, name, more="outcome")
    for name, score in dict(leader.challengers).items():
        text = "Log loss of the mixture less that of a challenger"
        say("challenger_gain", text, score["gain"], *which, name, more="challenger")
    say("drifts", "Count of changes that were noticed", leader.drifts, *which)
    say("vetoes", "Count of versions that the guard did not publish", leader.vetoes, *which)
    say("waiting", "Labels that are not learnt yet", leader.waiting, *which)
