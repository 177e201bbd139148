"""A test that may be looked at after every observation: is one mean greater than another?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.8)  # of the wealth in a bet; small ones find small differences
_NOTHING = (0.0,) * len(_FRACTIONS)


@dataclass(frozen=True)
class Wealth:
    """The logarithm of each bettor's wealth, and the `most` that of their mean has been."""

    logs: tuple[float, ...] = _NOTHING
    most: float = 0.0

    def plus(self, gains: Sequence[float]) -> "Wealth":
        """After these gains of the bettors, as logarithms: it does not matter who has made them."""
        logs = tuple(log + gain for log, gain in zip(self.logs, gains, strict=True))
        top = max(logs)
        mean = top + math.log(sum(math.exp(log - top) for log in logs) / len(logs))
        return Wealth(logs, max(self.most, mean))


class Bet:
    """Bets that the values of the judged stream are, in the mean, greater by more than `margin`.

    All values are in [0, 1]. Each time that both streams have gone on, the means of what came are
    compared, d = mean of the judged - mean of the reference, and each of several bettors, who began
    with the same wealth, has it multiplied by 1 + f (d - margin), with a fraction f of its own. If
    the judged stream is not worse, the wealth cannot be expected to grow: it is a non-negative
    supermartingale, and reaches 1 / `alpha` times what it was with a probability of at most
    `alpha`, however often and whenever one looks (Ville's inequality). So `decided` is wrong at
    most that often, without any assumption on how the values are distributed.

    Several processes, each with values of its own, bet with one wealth: their gains multiply. What
    decides is that of all, `known`, as it was when this process last gave its gains to it (`take`,
    then `adopt`). Since these are given one after another, this is one supermartingale, too; what
    each process would make of its latest gains on its own would be several, and err more often.

    Source: Shekhar and Ramdas, "Nonparametric two-sample testing by betting", IEEE Transactions on
    Information Theory 70 (2024); the mixture of bettors: Waudby-Smith and Ramdas, "Estimating means
    of bounded random variables by betting", JRSS B 86 (2024).
    """

    def __init__(self, alpha: float, margin: float) -> None:
        self.margin = margin
        self._needed = math.log(1 / alpha)
        self._judged = self._reference = (0, 0.0)  # number and sum since the last bet
        self._known = self._here = Wealth()  # of all processes; and with the gains of this one
        self._gains = _NOTHING

    def judged(self, value: float) -> None:
        """One more value of the judged stream."""
        count, total = self._judged
        self._judged = count + 1, total + value
        self._settle()

    def reference(self, value: float) -> None:
        """One more value of the stream that it is compared with."""
        count, total = self._reference
        self._reference = count + 1, total + value
        self._settle()

    def pair(self, judged: float, reference: float) -> None:
        """One value of each."""
        self.reference(reference)
        self.judged(judged)

    def take(self) -> tuple[float, ...]:
        """The gains of this process since the last time."""
        taken, self._gains = self._gains, _NOTHING
        return taken

    def put_back(self, gains: Sequence[float]) -> None:
        """These were taken, and did not get to the others."""
        self._gains = _sum(self._gains, gains)

    def adopt(self, known: Wealth) -> None:
        """The wealth that the gains of all processes have made."""
        self._known = known
        self._here = known.plus(self._gains)

    @property
    def decided(self) -> bool:
        """The judged stream is worse: once found, it stays found."""
        return self._known.most >= self._needed

    @property
    def pressing(self) -> bool:
        """It would be decided, if others have not gained otherwise."""
        return self._here.most >= self._needed > self._known.most

    @property
    def evidence(self) -> float:
        """From 0, nothing, to 1, decided."""
        return min(1.0, max(0.0, self._here.most / self._needed))

    def _settle(self) -> None:
        (n, judged), (m, reference) = self._judged, self._reference
        if not n or not m:
            return
        self._judged = self._reference = (0, 0.0)
        d = judged / n - reference / m - self.margin
        scale = 1 / (1 + self.margin)  # so that no bet loses all
        gains = tuple(math.log1p(fraction * scale * d) for fraction in _FRACTIONS)
        self._gains = _sum(self._gains, gains)
        self._here = self._here.plus(gains)


def _sum(first: Sequence[float], second: Sequence[float]) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip(first, second, strict=True))
