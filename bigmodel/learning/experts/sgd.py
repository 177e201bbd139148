"""A linear head that takes a step for every single label: the first to follow a change."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt

from bigmodel.learning.arrays import Floats, Ints, widened
from bigmodel.learning.experts.expert import Expert, Shape, targets
from bigmodel.learning.lift import Features

__all__ = ["SGD"]

_NORM = 5.0  # a longer gradient is cut to this
_DECAY, _FIRST, _EPSILON = 0.999, 1e-2, 1e-3  # of the squared gradients
_ROWS = 64  # whose products are made at once
_TINY = 1e-12


@dataclass(kw_only=True)
class SGD(Expert):
    """W -= lr g / (sqrt(G) + 1e-3), one row at a time; G is a fading mean of g^2.

    Steps on the means of blocks lose what makes it worth having: on labels that come at once and
    depend on the last ones it is far ahead of all else. G is brought forward after 64 rows, so
    that until then only the errors have to be found one after another, by products of the rows.
    """

    arrays: ClassVar[tuple[str, ...]] = ("W", "G")

    inputs: Literal["raw", "lift"] = "raw"
    lr: Annotated[float, Gt(0)] = 0.05

    def start(self, shape: Shape) -> None:
        """Nothing is known: all weights are 0."""
        width = shape.raw if self.inputs == "raw" else shape.lift
        self._classes, self.quick = shape.classes, True
        self.W = np.zeros((width, shape.outputs))
        self.G = np.full((width, shape.outputs), _FIRST)

    def predict(self, features: Features) -> Floats:
        """Logits, or the value."""
        return np.asarray(getattr(features, self.inputs) @ self.W)

    def learn(self, features: Features, labels: Any) -> None:
        """A step for each row, in their order."""
        P = getattr(features, self.inputs)
        for start in range(0, len(P), _ROWS):
            self._steps(P[start : start + _ROWS], labels[start : start + _ROWS])

    def grow(self, classes: int) -> None:
        """A new class starts as all began."""
        self._classes = classes
        self.W, self.G = widened(self.W, classes), widened(self.G, classes, _FIRST)

    def _steps(self, P: Floats, labels: Any) -> None:
        rates = self.lr / (np.sqrt(self.G) + _EPSILON)
        norms = np.sqrt(np.einsum("nd,nd->n", P, P))
        if self._classes == 2:
            errors = _of_two(P, labels, self.W, rates[:, 0], norms)
        else:
            Y = targets(labels, self._classes)
            errors = _of_many(P, Y, self.W, rates, norms, classifies=bool(self._classes))
        n = len(P)
        fade = (1.0 - _DECAY) * _DECAY ** np.arange(n - 1, -1, -1.0)
        self.W = self.W - rates * (P.T @ errors)
        self.G = _DECAY**n * self.G + (P * P).T @ (errors * errors * fade[:, None])


def _of_two(P: Floats, labels: Ints, W: Floats, rates: Floats, norms: Floats) -> Floats:
    """The errors (n, 2) of n rows, each after the steps of those before it; the second column of
    W and of the errors is minus the first.
    """
    errors = np.zeros(len(P))  # of rows whose turn has not come 0: they add nothing
    products = (P * rates) @ P.T
    halves = (0.5 * (P @ (W[:, 0] - W[:, 1]))).tolist()  # of the logits
    shifts = np.where(labels == 0, -0.5, 0.5).tolist()
    most = _NORM / np.maximum(math.sqrt(2.0) * norms, _TINY)
    bounds = most.tolist() if most.min() < 1.0 else None  # an error is not above 1
    for row, (product, half, shift) in enumerate(zip(products, halves, shifts, strict=True)):
        error = 0.5 * math.tanh(half - product.dot(errors)) + shift
        if bounds is not None:
            error = min(bounds[row], max(-bounds[row], error))
        errors[row] = error
    return np.stack([errors, -errors], axis=1)


def _of_many(
    P: Floats, Y: Floats, W: Floats, rates: Floats, norms: Floats, *, classifies: bool
) -> Floats:
    """The errors (n, K) of n rows, each after the steps of those before it."""
    n, errors, outputs = len(P), np.zeros_like(Y), P @ W
    products = np.stack([(P * rate) @ P.T for rate in rates.T], axis=2)  # (n, n, K)
    for row, (norm, wanted) in enumerate(zip(norms.tolist(), Y, strict=True)):
        error = outputs[row]
        if classifies:
            error = np.exp(error - error.max())
            error /= error.sum()
        error = error - wanted
        length = norm * math.sqrt(float(error.dot(error)))
        if length > _NORM:
            error *= _NORM / length
        errors[row] = error
        if row < n - 1:
            outputs[row + 1 :] -= products[row, row + 1 :] * error
    return errors
