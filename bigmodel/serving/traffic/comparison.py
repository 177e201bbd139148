"""One version judged beside another, by what both answer."""

import math
from typing import Any, NamedTuple

import orjson

from bigmodel.serving.settings import Rollback
from bigmodel.serving.traffic.betting import Bet, Wealth
from bigmodel.serving.traffic.evidence import CRITERIA, Criterion, Evidence, Mean, Means, added

_HALF = 0.5  # more failing or slow requests than this are worse than any version before


class Episode(NamedTuple):
    """Why two versions are compared: the label of the judged one, and since when it has it.

    All processes of a service, and those after a restart, call it the same. `since` is in seconds
    since 1970; `reference` may be empty: then the judged version's values are only counted.
    """

    model: str
    label: str
    judged: str
    reference: str
    since: float


class Comparison:
    """Is the version `judged` worse than `reference`? Told for each criterion on its own.

    errors        requests that the network failed on, of all
    slow          requests that took three times what the reference's cost lets expect, of all
    disagreement  rows that both answered differently, of those that both were asked
    loss          wrong answers, of those with feedback; of numbers the error beside their spread

    `limits` has what difference is allowed, and how often a difference may be found that is none.
    `before` are means of the reference from an earlier time: it does not answer any more.

    What all processes have seen decides. This one tells what it has seen since the last time
    (`take`), and then knows what all have (`adopt`).
    """

    def __init__(self, episode: Episode, limits: Rollback, before: Means | None = None) -> None:
        self.episode, self._before = episode, before
        alpha = limits.false_alarms / len(CRITERIA)
        margins = (limits.errors, limits.slow, limits.disagreement, limits.loss)
        self.key = orjson.dumps([*episode, margins]).decode()  # other margins, another comparison
        self._bets = {
            name: Bet(alpha, margin) for name, margin in zip(CRITERIA, margins, strict=True)
        }
        self._known, self._own = Evidence(), Evidence()

    def answered(self, version: str, *, error: bool, slow: bool = False) -> None:
        """A request was answered by `version`, or its network failed; `slow` where it answered."""
        self._value(version, "errors", float(error))
        if not error:
            self._value(version, "slow", float(slow))

    def disagreed(self, share: float) -> None:
        """Both were asked the rows of a request, and of this share their answers differ."""
        self._own.judged["disagreement"].add(share)
        self._bets["disagreement"].pair(share, 0.0)

    def labelled(self, version: str, loss: float) -> None:
        """Feedback on an answer of `version`: 0 is right, 1 is wrong."""
        self._value(version, "loss", min(1.0, max(0.0, loss)))

    def take(self) -> Evidence:
        """What this process has seen since the last time."""
        taken, self._own = self._own, Evidence()
        taken.before = self._before
        taken.wealth = {name: Wealth(bet.take()) for name, bet in self._bets.items()}
        return taken

    def put_back(self, taken: Evidence) -> None:
        """This was taken, and did not get to the others."""
        self._own = self._own.plus(taken)
        for name, bet in self._bets.items():
            bet.put_back(taken.wealth[name].logs)

    def adopt(self, known: Evidence) -> None:
        """What all processes have seen."""
        self._known, self._before = known, known.before
        for name, bet in self._bets.items():
            bet.adopt(known.wealth[name])

    @property
    def judged(self) -> Means:
        """Of the judged version."""
        return added(self._known.judged, self._own.judged)

    @property
    def reference(self) -> Means:
        """Of the other one."""
        if self._before is not None:
            return self._before
        return added(self._known.reference, self._own.reference)

    @property
    def requests(self) -> int:
        """How many the judged version has had."""
        return self._known.judged["errors"].count + self._own.judged["errors"].count

    @property
    def verdict(self) -> Criterion | None:
        """By what the judged version is worse; None as long as that is not certain."""
        return next((name for name, bet in self._bets.items() if bet.decided), None)

    @property
    def pressing(self) -> bool:
        """Whether what this process has not told yet could decide."""
        return any(bet.pressing for bet in self._bets.values())

    def reason(self, name: Criterion) -> str:
        """The verdict in words."""
        judged, reference = self.judged[name].value, self.reference[name].value
        told = f"{name} {judged:.3g}" if judged is not None else name
        if name == "disagreement":
            return f"{told}, at most {self._bets[name].margin:g} is allowed"
        beside = "" if reference is None else f" beside {reference:.3g}"
        return f"{told}{beside} of {self.episode.reference[:12]}"

    def told(self) -> dict[str, Any]:
        """The figures, as the API shows them."""
        judged, reference = self.judged, self.reference
        return {
            "version": self.episode.judged,
            "reference": self.episode.reference,
            "worse_by": self.verdict,
            "criteria": {
                name: {
                    "value": judged[name].value,
                    "count": judged[name].count,
                    "reference": reference[name].value,
                    "reference_count": reference[name].count,
                    "evidence": round(bet.evidence, 3),
                }
                for name, bet in self._bets.items()
            },
        }

    def _value(self, version: str, name: Criterion, value: float) -> None:
        bet = self._bets[name]
        if version == self.episode.judged:
            self._own.judged[name].add(value)
            if self._before is None:
                bet.judged(value)
                return
            limit = _upper(self._before[name], name)
            if limit is not None:
                bet.pair(value, limit)
        elif version == self.episode.reference and self._before is None:  # else it has its mean
            self._own.reference[name].add(value)
            bet.reference(value)


def _upper(mean: Mean, name: Criterion) -> float | None:
    """What a mean may really be, of which so much was seen: Hoeffding's bound at 1 %.

    None where nothing was seen that a quality could be compared with.
    """
    worst = None if name == "loss" else _HALF
    if not mean.count:
        return worst
    bound = mean.total / mean.count + math.sqrt(math.log(100) / (2 * mean.count))
    return bound if worst is None else min(worst, bound)
