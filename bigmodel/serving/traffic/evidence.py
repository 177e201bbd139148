"""What was seen of two versions: numbers that add up, whichever process saw them."""

from dataclasses import dataclass, field
from typing import Any, Literal

from bigmodel.serving.traffic.betting import Wealth

Criterion = Literal["errors", "slow", "disagreement", "loss"]
CRITERIA: tuple[Criterion, ...] = ("errors", "slow", "disagreement", "loss")


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


def added(first: Means, second: Means) -> Means:
    """Of the values of both."""
    return {
        name: Mean(first[name].count + second[name].count, first[name].total + second[name].total)
        for name in CRITERIA
    }


@dataclass
class Evidence:
    """By criterion: the values of the judged version and of the reference, the wealth of the bets.

    `before`, where the reference does not answer any more, are its means from when it did.
    """

    judged: Means = field(default_factory=means)
    reference: Means = field(default_factory=means)
    wealth: dict[Criterion, Wealth] = field(
        default_factory=lambda: {name: Wealth() for name in CRITERIA}
    )
    before: Means | None = None

    def plus(self, more: "Evidence") -> "Evidence":
        """With what another process has seen; the first one that told of the time before is right.

        The wealth has been each of those sums that were made in this way.
        """
        return Evidence(
            added(self.judged, more.judged),
            added(self.reference, more.reference),
            {name: self.wealth[name].plus(more.wealth[name].logs) for name in CRITERIA},
            more.before if self.before is None else self.before,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "judged": _plain(self.judged),
            "reference": _plain(self.reference),
            "wealth": {name: [*one.logs, one.most] for name, one in self.wealth.items()},
            "before": None if self.before is None else _plain(self.before),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Evidence":
        """What `to_json` gave."""
        wealth = content["wealth"]
        return cls(
            _means(content["judged"]),
            _means(content["reference"]),
            {name: Wealth(tuple(wealth[name][:-1]), wealth[name][-1]) for name in CRITERIA},
            None if content["before"] is None else _means(content["before"]),
        )


def _plain(given: Means) -> dict[str, list[float]]:
    return {name: [mean.count, mean.total] for name, mean in given.items()}


def _means(content: dict[str, list[Any]]) -> Means:
    return {name: Mean(*content[name]) for name in CRITERIA}
