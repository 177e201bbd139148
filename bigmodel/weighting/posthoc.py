"""Shifting the logits of a trained network towards the classes that it saw too rarely."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bigmodel.weighting.rows import Floats

TAUS = np.round(np.arange(0.0, 2.01, 0.1), 1)


@dataclass(frozen=True)
class PostHoc:
    """z - tau log_prior, then + log `target`; equal shares where `target` is None."""

    log_prior: Floats
    tau: float | None
    target: Floats | None

    def tuned(self, logits: Floats, labels: NDArray[np.int64]) -> float:
        """The tau of the settings, or else the best on held-out rows (n, C), (n,).

        Best is the highest macro F1; of equally good ones, the middle one. 1 without rows.
        """
        if self.tau is not None:
            return self.tau
        if not len(labels):
            return 1.0
        scores = [macro_f1((logits - tau * self.log_prior).argmax(1), labels) for tau in TAUS]
        best = np.flatnonzero(np.isclose(scores, max(scores)))
        return float(TAUS[best[len(best) // 2]])

    def note(self, offset: tuple[float, ...]) -> str:
        """What the shift `offset` (C,) of the logits is, for reading."""
        rarest = int(self.log_prior.argmin())
        tau = -offset[rarest] / self.log_prior[rarest]
        return f"logits are shifted by {tau:g} times the log of the class shares"


def macro_f1(predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """The mean F1 of the classes that occur or are predicted, as scikit-learn has it."""
    classes = int(max(predicted.max(), labels.max())) + 1
    hits = np.bincount(labels[predicted == labels], minlength=classes)
    both = np.bincount(labels, minlength=classes) + np.bincount(predicted, minlength=classes)
    return float((2 * hits[both > 0] / both[both > 0]).mean())
