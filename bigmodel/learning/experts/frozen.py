"""The frozen network itself: always in the mix, so that learning can only add to it."""

from dataclasses import dataclass

import numpy as np

from bigmodel.learning.arrays import FLOOR, Floats, log_softmax, widened
from bigmodel.learning.experts.expert import Expert, Shape
from bigmodel.learning.lift import Features

__all__ = ["Frozen"]


@dataclass(kw_only=True)
class Frozen(Expert):
    """What the static network says; a class that it has never met is as unlikely as can be."""

    def start(self, shape: Shape) -> None:
        """Nothing to make."""
        self._classes = shape.classes

    def grow(self, classes: int) -> None:
        """Remember how many classes there are."""
        self._classes = classes

    def predict(self, features: Features) -> Floats:
        """The network's own answers."""
        static = features.static
        if static.shape[1] >= self._classes:
            return static
        return widened(np.maximum(log_softmax(static), FLOOR), self._classes, FLOOR)
