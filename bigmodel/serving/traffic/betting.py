"""A test that may be looked at after every observation: is one mean greater than another?"""

import math

_FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.8)  # of the wealth in a bet; small ones find small differences


class Bet:
    """Bets that the values of the judged stream are, in the mean, greater by more than `margin`.

    All values are in [0, 1]. Each time that both streams have gone on, the means of what came are
    compared, d = mean of the judged - mean of the reference, and each of several bettors, who began
    with the same wealth, has it multiplied by 1 + f (d - margin), with a fraction f of its own. If
    the judged stream is not worse, the wealth cannot be expected to grow: it is a non-negative
    supermartingale, and reaches 1 / `alpha` times what it was with a probability of at most
    `alpha`, however often and whenever one looks (Ville's inequality). So `decided` is wrong at
    most that often, without any assumption on how the values are distributed.

    Source: Shekhar and Ramdas, "Nonparametric two-sample testing by betting", IEEE Transactions on
    Information Theory 70 (2024); the mixture of bettors: Waudby-Smith and Ramdas, "Estimating means
    of bounded random variables by betting", JRSS B 86 (2024).
    """

    def __init__(self, alpha: float, margin: float) -> None:
        self.margin = margin
        self._needed = math.log(1 / alpha)
        self._wealths = [0.0] * len(_FRACTIONS)  # logarithms
        self._judged = self._reference = (0, 0.0)  # number and sum since the last bet
        self.most = 0.0

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

    @property
    def decided(self) -> bool:
        """The judged stream is worse: once found, it stays found."""
        return self.most >= self._needed

    @property
    def evidence(self) -> float:
        """From 0, nothing, to 1, decided."""
        return min(1.0, max(0.0, self.most / self._needed))

    def _settle(self) -> None:
        (n, judged), (m, reference) = self._judged, self._reference
        if not n or not m:
            return
        self._judged = self._reference = (0, 0.0)
        d = judged / n - reference / m - self.margin
        scale = 1 / (1 + self.margin)  # so that no bet loses all
        wealths = self._wealths
        for i, fraction in enumerate(_FRACTIONS):
            wealths[i] += math.log1p(fraction * scale * d)
        top = max(wealths)
        mean = sum(math.exp(w - top) for w in wealths) / len(wealths)
        self.most = max(self.most, top + math.log(mean))
