"""Online calibration: one number that sharpens or softens the mixture, followed label by label."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from bigmodel.learning.arrays import FLOOR, Floats, Ints, changed, log_softmax

__all__ = ["Calibration"]

_LEAST, _GREATEST = 0.1, 5.0


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """log p = log softmax(sharpness * L): the temperature is 1 / sharpness.

    `lr` is the step per label on the log of it, by the gradient of the log loss; 0 leaves it as
    it is. The most probable class stays the same. Immutable: `learned` gives another one.
    """

    lr: Annotated[float, Ge(0)] = 0.02
    sharpness: float = 1.0

    def answer(self, log_p: Floats) -> Floats:
        """(n, K) log probabilities, calibrated."""
        return log_softmax(self.sharpness * log_p)

    def learned(self, log_p: Floats, served: Floats, labels: Ints) -> "Calibration":
        """After the labels (n,) of rows with answers (n, K): `log_p` as they were, `served`."""
        slope = (np.exp(served) * log_p).sum(axis=1) - log_p[np.arange(len(labels)), labels]
        step = self.lr * self.sharpness * float(np.minimum(np.maximum(slope, FLOOR), -FLOOR).sum())
        moved = math.exp(math.log(self.sharpness) - step / math.sqrt(len(labels)))
        return changed(self, sharpness=min(_GREATEST, max(_LEAST, moved)))
