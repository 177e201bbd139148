"""A linear head that takes a step for every single label: the first to follow a change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
from annotated_types import Gt

from bigmodel.errors import UserError
from bigmodel.learning.arrays import Floats, widened
from bigmodel.learning.experts import steps
from bigmodel.learning.experts.expert import Expert, Shape, targets
from bigmodel.learning.lift import Features

__all__ = ["SGD"]

_DECAY, _FIRST, _EPSILON = 0.999, 1e-2, 1e-3  # of the squared gradients
_ROWS = 64  # whose products are made at once


@dataclass(kw_only=True)
class SGD(Expert):
    """W -= lr g / (sqrt(G) + 1e-3), one row at a time; G is a fading mean of g^2.

    Steps on the means of blocks lose what makes it worth having: on labels that come at once and
    depend on the last ones it is far ahead of all else. G is brought forward after 64 rows, so
    that until then only the errors have to be found one after another, by products of the rows.
    `compiled`: Numba (an extra) does that, many times quicker with more than two classes; other
    bits in the last place, and two seconds more to open the model.
    """

    arrays: ClassVar[tuple[str, ...]] = ("W", "G")

    inputs: Literal["raw", "lift"] = "raw"
    lr: Annotated[float, Gt(0)] = 0.05
    compiled: bool = False

    def start(self, shape: Shape) -> None:
        """Nothing is known: all weights are 0."""
        width = shape.raw if self.inputs == "raw" else shape.lift
        self._classes, self.quick = shape.classes, True
        self._errors = _compiled() if self.compiled else steps.errors
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
        n, Y = len(P), targets(labels, self._classes)
        rates = self.lr / (np.sqrt(self.G) + _EPSILON)
        errors = self._errors(P, Y, self.W, rates, bool(self._classes))
        fade = (1.0 - _DECAY) * _DECAY ** np.arange(n - 1, -1, -1.0)
        self.W = self.W - rates * (P.T @ errors)
        self.G = _DECAY**n * self.G + (P * P).T @ (errors * errors * fade[:, None])


def _compiled() -> Callable[..., Floats]:
    try:
        from bigmodel.learning.experts.compiled import errors
    except ImportError as error:
        raise UserError(
            f"learning.experts: a compiled head needs Numba ({error}); "
            'pip install "bigmodel[numba]", or leave compiled=false'
        ) from error
    return cast("Callable[..., Floats]", errors)
