"""Experts that read the labels which were known when a row was answered.

Many streams repeat themselves: the next label is like the last one, or like the one a day before.
What was known then is a part of the features, so that labels may be as late as they like.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Gt, Le

from bigmodel.learning.arrays import Floats, widened
from bigmodel.learning.experts.expert import Expert, Shape
from bigmodel.learning.experts.rls import RLS
from bigmodel.learning.lift import Features

__all__ = ["LastLabel", "RecentLabels"]

_FADE, _FIRST = 0.995, 0.5  # of a transition; what each has before the first label


@dataclass(kw_only=True)
class LastLabel(Expert):
    """How often each label came after the last known one: fading counts (K, K)."""

    arrays: ClassVar[tuple[str, ...]] = ("counts",)

    def start(self, shape: Shape) -> None:
        """Every transition is as likely."""
        self.quick = True
        self.counts = np.full((max(1, shape.classes),) * 2, _FIRST)

    def predict(self, features: Features) -> Floats:
        """The row of the last known label; all alike where none is known."""
        last = features.known[:, 0]
        shares = self.counts / self.counts.sum(axis=1, keepdims=True)
        answers = np.log(shares)[np.maximum(last, 0)]
        answers[last < 0] = -np.log(len(self.counts))
        return np.asarray(answers)

    def learn(self, features: Features, labels: Any) -> None:
        """Count the transitions."""
        counts = self.counts.copy()
        for last, label in zip(features.known[:, 0].tolist(), labels.tolist(), strict=True):
            if last >= 0:
                counts[last] *= _FADE
                counts[last, label] += 1.0
        self.counts = counts

    def grow(self, classes: int) -> None:
        """Transitions from and to the new classes start as all others did."""
        wide = widened(self.counts, classes, _FIRST)
        more = np.full((classes - len(wide), classes), _FIRST)
        self.counts = np.concatenate([wide, more])


@dataclass(kw_only=True)
class RecentLabels(RLS):
    """Least squares on the raw columns and the last `lags` known labels.

    With many classes there are fewer lags: at most 256 numbers in all.
    """

    lags: Annotated[int, Gt(0), Le(64)] = 64

    def start(self, shape: Shape) -> None:
        """As of least squares, with more inputs."""
        self._first = shape.classes  # later classes are read as no label
        self._lags = min(self.lags, shape.known, 256 // max(1, self._first - 1))
        width = shape.raw + self._lags * (self._first - 1)
        super().start(Shape(shape.classes, width, 0, width, shape.known, shape.seed))

    def predict(self, features: Features) -> Floats:
        """As of least squares."""
        return super().predict(self._with_labels(features))

    def learn(self, features: Features, labels: Any) -> None:
        """As of least squares."""
        super().learn(self._with_labels(features), labels)

    def _with_labels(self, features: Features) -> Features:
        known = features.known[:, : self._lags]
        hot = [(known == code).astype(np.float64) for code in range(1, self._first)]
        wide = np.concatenate([features.raw, *hot], axis=1)
        return features._replace(raw=wide, lift=wide)
