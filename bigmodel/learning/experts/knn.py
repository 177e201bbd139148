"""Nearest neighbours among the last rows."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Gt

from bigmodel.learning.arrays import Floats
from bigmodel.learning.experts.expert import Expert, Shape
from bigmodel.learning.lift import Features

__all__ = ["WindowKNN"]

_SURE = 0.95  # the rest is spread over all classes
_NEAR = 1e-3  # added to distances, so that an equal row does not count without end


@dataclass(kw_only=True)
class WindowKNN(Expert):
    """The `k` nearest of the last `window` rows, by distance of the standardised columns."""

    arrays: ClassVar[tuple[str, ...]] = ("Z", "squares", "Y", "count")

    window: Annotated[int, Gt(0)] = 2000
    k: Annotated[int, Gt(0)] = 5

    def start(self, shape: Shape) -> None:
        """An empty ring."""
        self._classes, self.quick = shape.classes, True
        self.Z = np.zeros((self.window, shape.raw))
        self.squares = np.zeros(self.window)
        self.Y = np.zeros(self.window, dtype=np.int64 if shape.classes else np.float64)
        self.count = np.zeros(1, dtype=np.int64)

    def predict(self, features: Features) -> Floats:
        """The neighbours' labels, weighed by 1 / distance."""
        n, outputs = len(features.raw), self._classes or 1
        if self.count[0] < self.k:
            return np.full((n, outputs), -np.log(outputs))
        held = slice(0, min(int(self.count[0]), self.window))
        Z = features.raw
        gaps = self.squares[held] - 2.0 * (Z @ self.Z[held].T)
        near = np.argpartition(gaps, self.k - 1, axis=1)[:, : self.k]
        found = np.take_along_axis(gaps, near, 1) + np.einsum("nd,nd->n", Z, Z)[:, None]
        weight = 1.0 / (np.sqrt(np.maximum(found, 0.0)) + _NEAR)
        weight /= weight.sum(axis=1, keepdims=True)
        labels = self.Y[near]
        if not self._classes:
            return np.asarray((weight * labels).sum(axis=1, keepdims=True))
        shares = np.zeros((n, outputs))
        rows = np.arange(n)
        for place in range(self.k):
            shares[rows, labels[:, place]] += weight[:, place]
        return np.log(_SURE * shares + (1.0 - _SURE) / outputs)

    def learn(self, features: Features, labels: Any) -> None:
        """Put the rows into the ring, over the oldest ones."""
        Z, labels = features.raw[-self.window :], labels[-self.window :]
        skipped = len(features.raw) - len(Z)
        places = (int(self.count[0]) + skipped + np.arange(len(Z))) % self.window
        self.Z, self.squares, self.Y = self.Z.copy(), self.squares.copy(), self.Y.copy()
        self.Z[places], self.Y[places] = Z, labels
        self.squares[places] = np.einsum("nd,nd->n", Z, Z)
        self.count = self.count + len(features.raw)

    def grow(self, classes: int) -> None:
        """Its labels are codes: nothing has to be made larger."""
        self._classes = classes
