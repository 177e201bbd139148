"""Test-then-train figures: each answer is judged by its label before anything learns from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigmodel.learning.arrays import FLOOR, Floats, Ints, changed

NAMES = ("accuracy", "log_loss", "frozen", "no_change", "kappa_no_change", "gain")


@dataclass(frozen=True)
class Prequential:
    """Fading sums over labels: hits, losses, hits of the frozen network and of no change.

    `no change` says what the last label was that the row could know. With `fade` 1 they are
    plain sums. Immutable: `learned` gives another one.
    """

    fade: float = 0.999
    sums: Floats | None = None  # hits, losses, frozen hits, no-change hits, n

    def learned(
        self, answers: Floats, frozen: Floats, last: Ints, labels: NDArray[np.int64]
    ) -> "Prequential":
        """With n more rows: log probabilities (n, K) of the mixture and of the frozen network."""
        rows = np.arange(len(labels))
        loss = -np.maximum(answers[rows, labels], 2 * FLOOR)
        new = [
            (answers.argmax(axis=1) == labels).sum(),
            loss.sum(),
            (frozen.argmax(axis=1) == labels).sum(),
            (last == labels).sum(),
            len(labels),
        ]
        before = np.zeros(5) if self.sums is None else self.sums
        return changed(self, sums=self.fade ** len(labels) * before + np.array(new, dtype="f8"))

    def figures(self) -> dict[str, float]:
        """By name; kappa is (accuracy - no change) / (1 - no change), gain is over the frozen."""
        if self.sums is None or not self.sums[4]:
            return {}
        hits, loss, frozen, same = (self.sums[:4] / self.sums[4]).tolist()
        kappa = (hits - same) / (1 - same) if same < 1 else 0.0
        return dict(zip(NAMES, (hits, loss, frozen, same, kappa, hits - frozen), strict=True))


@dataclass(frozen=True)
class PrequentialValues:
    """The same of values: fading sums of squared errors, in standard deviations of training."""

    fade: float = 0.999
    sums: Floats | None = None  # squared errors, those of the frozen network, n

    def learned(
        self, answers: Floats, frozen: Floats, last: Ints, labels: Floats
    ) -> "PrequentialValues":
        """With n more rows: answers (n, 1) of the mixture and of the frozen network."""
        squares = [float(((said[:, 0] - labels) ** 2).sum()) for said in (answers, frozen)]
        before = np.zeros(3) if self.sums is None else self.sums
        new = np.array([*squares, len(labels)])
        return changed(self, sums=self.fade ** len(labels) * before + new)

    def figures(self) -> dict[str, float]:
        """By name; `gain` is by how much the root of the mean squared error is smaller."""
        if self.sums is None or not self.sums[2]:
            return {}
        rmse, frozen = np.sqrt(self.sums[:2] / self.sums[2]).tolist()
        return {"rmse": rmse, "frozen": frozen, "gain": frozen - rmse}
