"""Recursive least squares in information form, with forgetting."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from bigmodel.learning.arrays import Floats, diagonal, widened
from bigmodel.learning.experts.expert import Expert, Shape, targets
from bigmodel.learning.lift import Features
from bigmodel.learning.linear import gram, solution

__all__ = ["RLS"]

_SHARPNESS = 5.0  # scores of a fit to 0 and 1 become logits
_SMALL = 64  # inputs: solving for so few is quick enough for every block


@dataclass(kw_only=True)
class RLS(Expert):
    """Ridge regression on one-hot labels; labels n rows ago count `forget`^n.

    `inputs` are the raw columns, or the whole lift; with all labels counting the same and random
    features it is RanPAC (arXiv 2307.02251). The ridge leaks back in as the past fades, so that
    directions that are seen no more stay bounded. Exact for each block.
    """

    arrays: ClassVar[tuple[str, ...]] = ("A", "B", "W")

    inputs: Literal["raw", "lift"] = "lift"
    forget_rate: Annotated[float, Gt(0), Le(1)] = 1.0
    ridge: Annotated[float, Gt(0)] = 1.0
    reacts: bool = True

    def start(self, shape: Shape) -> None:
        """A ridge, and no labels."""
        width = shape.raw if self.inputs == "raw" else shape.lift
        self._classes = shape.classes
        self.A = self.ridge * np.eye(width)
        self.B = np.zeros((width, shape.outputs))
        self.W = np.zeros((width, shape.outputs))
        self.quick = width <= _SMALL

    def predict(self, features: Features) -> Floats:
        """Sharpened scores, or the value."""
        scores = np.asarray(getattr(features, self.inputs) @ self.W)
        if self._classes:
            scores *= _SHARPNESS
        return scores

    def learn(self, features: Features, labels: Any) -> None:
        """Add the block to the normal equations and solve them."""
        P, Y = getattr(features, self.inputs), targets(labels, self._classes)
        n, rate = len(P), self.forget_rate
        if rate < 1.0:
            fade = _fade(rate, n)
            P, Y = P * fade, Y * fade
        kept = rate**n
        self.A = gram(P, kept, self.A)
        diagonal(self.A)[:] += (1.0 - kept) * self.ridge
        self.B = P.T @ Y + kept * self.B
        self._solve()

    def forget(self, keep: float) -> None:
        """Fade what was learnt, and let the ridge take its place."""
        if self.reacts:
            A = keep * self.A
            diagonal(A)[:] += (1.0 - keep) * self.ridge
            self.A, self.B = A, keep * self.B

    def grow(self, classes: int) -> None:
        """A new class has been the answer to no row so far."""
        self._classes = classes
        self.B, self.W = widened(self.B, classes), widened(self.W, classes)

    def _solve(self) -> None:
        solved = solution(self.A, self.B)
        if solved is not None:  # else the last one stays: rounding made A indefinite
            self.W = solved


@lru_cache(maxsize=256)
def _fade(rate: float, n: int) -> Floats:
    """The roots of what n rows count, (n, 1)."""
    return np.asarray(np.sqrt(rate ** np.arange(n - 1, -1, -1.0))[:, None])
