"""One version judged beside another, by what both answer."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from bigmodel.serving.settings import Rollback
from bigmodel.serving.traffic.betting import Bet

Criterion = Literal["errors", "slow", "disagreement", "loss"]
CRITERIA: tuple[Criterion, ...] = ("errors", "slow", "disagreement", "loss")
_HALF = 0.5  # more failing or slow requests than this are worse than any version before


@dataclass
class Mean:
    """The mean of `count` values."""

    count: int = 0
    total: float = 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.count += 1
        self.total += value

    @property
    def value(self) -> float | None:
        """None without any."""
        return self.total / self.count if self.count else None


Means = dict[Criterion, Mean]


def means() -> Means:
    """Nothing seen yet."""
    return {name: Mean() for name in CRITERIA}


class Comparison:
    """Is the version `judged` worse than `reference`? Told for each criterion on its own.

    errors        requests that the network failed on, of all
    slow          requests that took three times what the reference's cost lets expect, of all
    disagreement  rows that both answered differently, of those that both were asked
    loss          wrong answers, of those with feedback; of numbers the error beside their spread

    `limits` has what difference is allowed, and how often a difference may be found that is none.
    `before` are means of the reference from an earlier time: it does not answer any more.
    """

    def __init__(
        self, judged: str, reference: str, limits: Rollback, before: Means | None = None
    ) -> None:
        self.versions = judged, reference
        self._before = before
        alpha = limits.false_alarms / len(CRITERIA)
        margins = (limits.errors, limits.slow, limits.disagreement, limits.loss)
        self._bets = {
            name: Bet(alpha, margin) for name, margin in zip(CRITERIA, margins, strict=True)
        }
        self.seen = {judged: means(), reference: means() if before is None else before}

    def answered(self, version: str, *, error: bool, slow: bool = False) -> None:
        """A request was answered by `version`, or its network failed; `slow` where it answered."""
        self._value(version, "errors", float(error))
        if not error:
            self._value(version, "slow", float(slow))

    def disagreed(self, share: float) -> None:
        """Both were asked the rows of a request, and of this share their answers differ."""
        self.seen[self.versions[0]]["disagreement"].add(share)
        self._bets["disagreement"].pair(share, 0.0)

    def labelled(self, version: str, loss: float) -> None:
        """Feedback on an answer of `version`: 0 is right, 1 is wrong."""
        self._value(version, "loss", min(1.0, max(0.0, loss)))

    @property
    def requests(self) -> int:
        """How many the judged version has had."""
        return self.seen[self.versions[0]]["errors"].count

    @property
    def verdict(self) -> Criterion | None:
        """By what the judged version is worse; None as long as that is not certain."""
        return next((name for name, bet in self._bets.items() if bet.decided), None)

    def reason(self, name: Criterion) -> str:
        """The verdict in words."""
        judged, reference = (self.seen[version][name].value for version in self.versions)
        told = f"{name} {judged:.3g}" if judged is not None else name
        if name == "disagreement":
            return f"{told}, at most {self._bets[name].margin:g} is allowed"
        beside = "" if reference is None else f" beside {reference:.3g}"
        return f"{told}{beside} of {self.versions[1][:12]}"

    def told(self) -> dict[str, Any]:
        """The figures, as the API shows them."""
        judged, reference = self.versions
        return {
            "version": judged,
            "reference": reference,
            "worse_by": self.verdict,
            "criteria": {
                name: {
                    "value": self.seen[judged][name].value,
                    "count": self.seen[judged][name].count,
                    "reference": self.seen[reference][name].value,
                    "reference_count": self.seen[reference][name].count,
                    "evidence": round(bet.evidence, 3),
                }
                for name, bet in self._bets.items()
            },
        }

    def _value(self, version: str, name: Criterion, value: float) -> None:
        if version not in self.versions:
            return
        judged = version == self.versions[0]
        bet = self._bets[name]
        if self._before is not None:  # its own mean alone goes on
            if judged:
                self.seen[version][name].add(value)
                limit = _upper(self._before[name], name)
                if limit is not None:
                    bet.pair(value, limit)
            return
        self.seen[version][name].add(value)
        (bet.judged if judged else bet.reference)(value)


def _upper(mean: Mean, name: Criterion) -> float | None:
    """What a mean may really be, of which so much was seen: Hoeffding's bound at 1 %.

    None where nothing was seen that a quality could be compared with.
    """
    worst = None if name == "loss" else _HALF
    if not mean.count:
        return worst
    bound = mean.total / mean.count + math.sqrt(math.log(100) / (2 * mean.count))
    return bound if worst is None else min(worst, bound)
