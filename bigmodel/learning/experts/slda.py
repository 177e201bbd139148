"""Streaming linear discriminant analysis with forgetting."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from bigmodel.learning.arrays import Floats, diagonal, one_hot
from bigmodel.learning.experts.expert import Expert, Shape
from bigmodel.learning.lift import Features
from bigmodel.learning.linear import solution

__all__ = ["SLDA"]


@dataclass(kw_only=True)
class SLDA(Expert):
    """Class means and one shared covariance (Hayes and Kanan 2020, arXiv 1909.01520).

    `shrink` pulls the covariance towards a multiple of the identity; labels n rows ago count
    `forget_rate`^n.
    """

    arrays: ClassVar[tuple[str, ...]] = ("M", "counts", "S", "mass", "W", "bias")

    forget_rate: Annotated[float, Gt(0), Le(1)] = 0.9995
    shrink: Annotated[float, Ge(0), Le(1)] = 0.1

    def start(self, shape: Shape) -> None:
        """No class has been seen."""
        classes, width = shape.classes, shape.lift
        self.M, self.counts = np.zeros((classes, width)), np.zeros(classes)
        self.S, self.mass = np.eye(width), np.ones(1)
        self.W, self.bias = np.zeros((width, classes)), np.zeros(classes)

    def predict(self, features: Features) -> Floats:
        """Log posteriors of Gaussians with one covariance."""
        return np.asarray(features.lift @ self.W + self.bias)

    def learn(self, features: Features, labels: Any) -> None:
        """Update scatter (around the old means), counts and means; then solve."""
        P, n = features.lift, len(features.lift)
        Y = one_hot(labels, len(self.counts))
        R = P - Y @ self.M
        kept = self.forget_rate**n
        self.S, self.mass = kept * self.S + R.T @ R, kept * self.mass + n
        came = Y.sum(axis=0)
        self.counts = kept * self.counts + came
        seen = came > 0
        M = self.M.copy()
        sums = Y.T[seen] @ P
        M[seen] += (sums - came[seen, None] * M[seen]) / np.maximum(self.counts[seen], 1.0)[:, None]
        self.M = M
        self._solve()

    def forget(self, keep: float) -> None:
        """Fade the scatter and the counts: the next labels move the means faster."""
        self.S, self.counts, self.mass = keep * self.S, keep * self.counts, keep * self.mass

    def grow(self, classes: int) -> None:
        """A class without rows: its mean is nought, its prior small."""
        more = classes - len(self.counts)
        self.M = np.concatenate([self.M, np.zeros((more, self.M.shape[1]))])
        self.counts = np.concatenate([self.counts, np.zeros(more)])
        self._solve()

    def _solve(self) -> None:
        S = (1.0 - self.shrink) * self.S / self.mass
        diagonal(S)[:] += self.shrink * np.trace(self.S) / (len(S) * self.mass[0])
        W = solution(S, self.M.T)
        if W is None:
            return
        prior = np.log((self.counts + 0.5) / (self.counts.sum() + len(self.counts) / 2))
        self.W, self.bias = W, prior - 0.5 * (self.M.T * W).sum(axis=0)
