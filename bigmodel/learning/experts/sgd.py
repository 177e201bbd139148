"""A linear head that takes a step for every single label: the first to follow a change."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt

from bigmodel.learning.arrays import Floats, Ints, log_softmax, widened
from bigmodel.learning.experts.expert import Expert, Shape, targets
from bigmodel.learning.lift import Features

__all__ = ["SGD"]

_NORM = 5.0  # a longer gradient is cut to this
_DECAY, _FIRST, _EPSILON = 0.999, 1e-2, 1e-3  # of the squared gradients
_FAR = 30.0  # logits beyond it are certain


@dataclass(kw_only=True)
class SGD(Expert):
    """W -= lr g / (sqrt(G) + 1e-3), one row at a time; G is a fading mean of g^2.

    Steps on the means of blocks lose what makes it worth having: on labels that come at once and
    depend on the last ones it is far ahead of all else.
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
        """Log softmax of the logits, or the value."""
        scores = getattr(features, self.inputs) @ self.W
        return log_softmax(scores) if self._classes else scores

    def learn(self, features: Features, labels: Any) -> None:
        """A step for each row, in their order."""
        P = getattr(features, self.inputs)
        if self._classes == 2:
            w, G = _binary(P, labels, self.W[:, 0].copy(), self.G[:, 0].copy(), self.lr)
            self.W, self.G = np.stack([w, -w], axis=1), np.stack([G, G], axis=1)
        else:
            Y = targets(labels, self._classes)
            self.W, self.G = self.W.copy(), self.G.copy()
            _steps(P, Y, self.W, self.G, self.lr, bool(self._classes))

    def grow(self, classes: int) -> None:
        """A new class starts as all began."""
        self._classes = classes
        self.W, self.G = widened(self.W, classes), widened(self.G, classes, _FIRST)


def _binary(P: Floats, labels: Ints, w: Floats, G: Floats, lr: float) -> tuple[Floats, Floats]:
    """The steps for two classes: the second column of weights is minus the first."""
    norms = np.sqrt(2.0 * np.einsum("nd,nd->n", P, P)).tolist()
    step, root = np.empty_like(w), np.empty_like(w)
    squares = (1.0 - _DECAY) * P * P
    for x, square, norm, label in zip(P, squares, norms, labels.tolist(), strict=True):
        logit = 2.0 * float(x.dot(w))
        error = 1.0 / (1.0 + math.exp(min(_FAR, max(-_FAR, -logit)))) - (label == 0)
        length = norm * abs(error)
        if length > _NORM:
            error *= _NORM / length
        G *= _DECAY
        np.multiply(square, error * error, out=step)
        G += step
        np.sqrt(G, out=root)
        root += _EPSILON
        np.multiply(x, lr * error, out=step)
        step /= root
        w -= step
    return w, G


def _steps(P: Floats, Y: Floats, W: Floats, G: Floats, lr: float, classifies: bool) -> None:
    """The steps for any number of classes, or for a value; changes W and G."""
    norms = np.sqrt(np.einsum("nd,nd->n", P, P)).tolist()
    for x, y, norm in zip(P, Y, norms, strict=True):
        error = x @ W
        if classifies:
            error -= error.max()
            np.exp(error, out=error)
            error /= error.sum()
        error -= y
        length = norm * math.sqrt(float(error.dot(error)))
        if length > _NORM:
            error *= _NORM / length
        step = np.multiply.outer(x, error)
        G *= _DECAY
        G += (1.0 - _DECAY) * (step * step)
        step /= np.sqrt(G) + _EPSILON
        step *= lr
        W -= step
