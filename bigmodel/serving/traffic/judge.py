"""Watches the versions of one model while they answer, and says when one has to go."""

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from bigmodel.serving.answers import Answers
from bigmodel.serving.model import Model
from bigmodel.serving.rows import Given
from bigmodel.serving.settings import Rollback
from bigmodel.serving.traffic.comparison import Comparison, Criterion, means
from bigmodel.serving.traffic.shadow import Shadow

_SLOW = 3.0  # times what the reference's measured cost lets expect
_TRIAL_SECONDS = 3600.0  # after a promotion: with less traffic than it takes, longer would not help
_AGAIN = 10.0  # seconds until a rollback that failed is tried again
_log = logging.getLogger(__name__)

Act = Callable[[Comparison, Criterion], None]


class Routed(Protocol):
    """Which versions answer."""

    @property
    def stable(self) -> Model: ...  # noqa: D102
    @property
    def canary(self) -> Model | None: ...  # noqa: D102
    @property
    def shadow(self) -> Model | None: ...  # noqa: D102
    @property
    def previous(self) -> Model | None: ...  # noqa: D102


class Judge:
    """Compares, within one process, canary and shadow with the stable version, and a stable
    version that was just promoted with the one before. `act` is told, once, what is worse.

    Used by one event loop.
    """

    def __init__(self, limits: Rollback, shadow: Shadow, act: Act) -> None:
        self._limits, self._shadow, self._act = limits, shadow, act
        self._routed: Routed | None = None
        self._seen = means()  # of the stable version, since it is that
        self._since = 0.0  # when it became that
        self._acted = float("-inf")
        self.canary: Comparison | None = None
        self.shadow: Comparison | None = None
        self.trial: Comparison | None = None

    def follow(self, routed: Routed) -> None:
        """From now on these answer."""
        stable = routed.stable.version
        if self._routed is None or self._routed.stable is not routed.stable:
            before, self._seen = self._seen, means()
            self._since = time.monotonic()
            previous = routed.previous
            self.trial = None
            if previous is not None:
                self.trial = Comparison(stable, previous.version, self._limits, before)
        self.canary = self._kept(self.canary, routed.canary, stable)
        self.shadow = self._kept(self.shadow, routed.shadow, stable)
        self._routed = routed

    @property
    def on_trial(self) -> bool:
        """Whether the stable version is still compared with the one before."""
        over = time.monotonic() - self._since > _TRIAL_SECONDS
        return self.trial is not None and self.trial.requests < self._limits.trial and not over

    def answered(self, model: Model, rows: int, seconds: float | None) -> None:
        """A version took so long for a run of so many rows; None: its network failed."""
        routed = self._routed
        if routed is None:
            return
        cost = routed.previous or routed.stable
        slow = seconds is not None and seconds > _SLOW * cost.expected(rows)
        error, version = seconds is None, model.version
        if model is routed.stable:
            self._seen["errors"].add(float(error))
            if not error:
                self._seen["slow"].add(float(slow))
            if self.on_trial and self.trial is not None:
                self.trial.answered(version, error=error, slow=slow)
        if self.canary is not None:
            self.canary.answered(version, error=error, slow=slow)
        self._look()

    def compare(self, model: Model, given: Given, answers: Answers) -> None:
        """A version has answered: let its partner answer the same rows, if there is room."""
        partner, comparison = self._partner(model)
        if partner is None or comparison is None:
            return

        def tell(share: float | None) -> None:
            if share is not None:
                comparison.disagreed(share)
                self._look()

        self._shadow.offer(partner, given, answers, tell)

    def labelled(self, version: str, loss: float) -> None:
        """Feedback on an answer of a version: its loss, from 0, right, to 1."""
        if self._routed is not None and version == self._routed.stable.version:
            self._seen["loss"].add(min(1.0, max(0.0, loss)))
        for comparison in (self.canary, self.trial if self.on_trial else None):
            if comparison is not None:
                comparison.labelled(version, loss)
        self._look()

    def told(self) -> dict[str, Any]:
        """The comparisons that go on, as the API shows them."""
        going = {"canary": self.canary, "shadow": self.shadow}
        going["trial"] = self.trial if self.on_trial else None
        return {name: one.told() for name, one in going.items() if one is not None}

    def _kept(
        self, comparison: Comparison | None, model: Model | None, stable: str
    ) -> Comparison | None:
        """The comparison of these two: the one that goes on, or a new one."""
        if model is None:
            return None
        versions = model.version, stable
        if comparison is not None and comparison.versions == versions:
            return comparison
        return Comparison(*versions, self._limits)

    def _partner(self, model: Model) -> tuple[Model | None, Comparison | None]:
        """Who is asked beside a version, and for which comparison."""
        routed = self._routed
        if routed is None:
            return None, None
        if model is routed.canary:
            return routed.stable, self.canary
        if model is not routed.stable:
            return None, None
        if routed.shadow is not None:
            return routed.shadow, self.shadow
        if routed.canary is not None:
            return routed.canary, self.canary
        return routed.previous, self.trial

    def _look(self) -> None:
        """Act on what is certain; a shadow can do no harm."""
        for comparison in (self.canary, self.trial):
            if comparison is None or time.monotonic() - self._acted < _AGAIN:
                continue
            name = comparison.verdict
            if name is not None:
                self._acted = time.monotonic()
                _log.warning(
                    "%s is worse: %s", comparison.versions[0][:12], comparison.reason(name)
                )
                self._act(comparison, name)
