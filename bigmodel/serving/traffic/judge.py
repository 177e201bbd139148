"""Watches the versions of one model while they answer, and says when one has to go."""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

from bigmodel.serving.answers import Answers
from bigmodel.serving.model import Model
from bigmodel.serving.registry.state import State
from bigmodel.serving.rows import Given
from bigmodel.serving.settings import Rollback
from bigmodel.serving.traffic.comparison import Comparison, Episode
from bigmodel.serving.traffic.evidence import Criterion, means
from bigmodel.serving.traffic.shadow import Shadow

_SLOW = 3.0  # times what the reference's measured cost lets expect
_TRIAL_SECONDS = 3600.0  # after a promotion: with less traffic than it takes, longer would not help
_AGAIN = 10.0  # seconds until a rollback that failed is tried again
_log = logging.getLogger(__name__)

Act = Callable[[Comparison, Criterion], None]


class Routed(Protocol):
    """Which versions answer, and since when they have their labels."""

    @property
    def stable(self) -> Model: ...  # noqa: D102
    @property
    def canary(self) -> Model | None: ...  # noqa: D102
    @property
    def shadow(self) -> Model | None: ...  # noqa: D102
    @property
    def previous(self) -> Model | None: ...  # noqa: D102
    @property
    def state(self) -> State: ...  # noqa: D102


class Judge:
    """Compares canary and shadow with the stable version, and a stable version that was just
    promoted with the one before. `act` is told what is worse, `press` that it could be.

    Used by one event loop; what other processes see comes by way of the `comparisons`.
    """

    def __init__(
        self, limits: Rollback, shadow: Shadow, act: Act, press: Callable[[], None]
    ) -> None:
        self._limits, self._shadow, self._act, self._press = limits, shadow, act, press
        self._routed: Routed | None = None
        self._going: dict[str, Comparison] = {}  # by label, and `trial` of the promoted version
        self._acted = float("-inf")

    def follow(self, routed: Routed) -> None:
        """From now on these answer."""
        stable = self._going.get("stable")
        before = means() if stable is None else stable.judged
        going = {}
        for episode in _episodes(routed):
            known = self._going.get(episode.label)
            if known is None or known.episode != episode:
                trial = episode.label == "trial"
                known = Comparison(episode, self._limits, before if trial else None)
            going[episode.label] = known
        self._routed, self._going = routed, going

    @property
    def comparisons(self) -> Collection[Comparison]:
        """Those that go on."""
        return tuple(self._going.values())

    @property
    def on_trial(self) -> bool:
        """Whether the stable version is still compared with the one before."""
        trial = self._going.get("trial")
        if trial is None or self._routed is None:
            return False
        return trial.requests < self._limits.trial and in_time(self._routed.state)

    def answered(self, model: Model, rows: int, seconds: float | None) -> None:
        """A version took so long for a run of so many rows; None: its network failed."""
        routed = self._routed
        if routed is None:
            return
        cost = routed.previous or routed.stable
        slow = seconds is not None and seconds > _SLOW * cost.expected(rows)
        for comparison in self._counting():
            comparison.answered(model.version, error=seconds is None, slow=slow)
        self._press_where_needed()

    def compare(self, model: Model, given: Given, answers: Answers) -> None:
        """A version has answered: let its partner answer the same rows, if there is room."""
        partner, label = self._partner(model)
        comparison = self._going.get(label)
        if partner is None or comparison is None:
            return

        def tell(share: float | None) -> None:
            if share is not None:
                comparison.disagreed(share)
                self._press_where_needed()

        self._shadow.offer(partner, given, answers, tell)

    def labelled(self, version: str, loss: float) -> None:
        """Feedback on an answer of a version: its loss, from 0, right, to 1."""
        for comparison in self._counting():
            comparison.labelled(version, loss)

    def look(self) -> None:
        """Act on what is certain; a shadow can do no harm."""
        for label in ("canary", "trial"):
            comparison = self._going.get(label)
            name = None if comparison is None else comparison.verdict
            if comparison is None or name is None or time.monotonic() - self._acted < _AGAIN:
                continue
            self._acted = time.monotonic()
            judged = comparison.episode.judged[:12]
            _log.warning("%s is worse: %s", judged, comparison.reason(name))
            self._act(comparison, name)

    def told(self) -> dict[str, Any]:
        """The comparisons that go on, as the API shows them."""
        shown = ("canary", "shadow", "trial") if self.on_trial else ("canary", "shadow")
        return {name: self._going[name].told() for name in shown if name in self._going}

    def _counting(self) -> Iterator[Comparison]:
        """The comparisons by what callers get: nobody gets a shadow's answers."""
        for label, comparison in self._going.items():
            if label != "shadow" and (label != "trial" or self.on_trial):
                yield comparison

    def _partner(self, model: Model) -> tuple[Model | None, str]:
        """Who is asked beside a version, and for which comparison."""
        routed = self._routed
        if routed is None:
            return None, ""
        if model is routed.canary:
            return routed.stable, "canary"
        if model is not routed.stable:
            return None, ""
        if routed.shadow is not None:
            return routed.shadow, "shadow"
        if routed.canary is not None:
            return routed.canary, "canary"
        return routed.previous, "trial"

    def _press_where_needed(self) -> None:
        if any(comparison.pressing for comparison in self._going.values()):
            self._press()


def in_time(state: State) -> bool:
    """Whether its stable version was promoted of late, and is on trial."""
    return state.trial and time.time() - state.since.get("stable", 0.0) < _TRIAL_SECONDS


def _episodes(routed: Routed) -> Iterator[Episode]:
    """What is to be compared; of the stable version alone it is only counted how it does."""
    stable, since = routed.stable.version, routed.state.since
    partners = {"canary": routed.canary, "shadow": routed.shadow}
    yield Episode(routed.stable.name, "stable", stable, "", since.get("stable", 0.0))
    for label, model in partners.items():
        if model is not None:
            at = since.get(label, 0.0)
            yield Episode(model.name, label, model.version, stable, at)
    if routed.previous is not None:
        at, before = since.get("stable", 0.0), routed.previous.version
        yield Episode(routed.stable.name, "trial", stable, before, at)
