"""Labels that look wrong are set aside: rows far from all others, losses beyond belief."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray

from bigmodel.learning.arrays import Floats, State

__all__ = ["Quarantine"]

_RING, _ENOUGH = 2000, 1000  # losses that are kept; those that a quantile takes
_RARE, _FADE = 0.02, 0.99  # share of far rows above which they are no exception


@dataclass(kw_only=True)
class Quarantine:
    """Rows with a column beyond `deviations`, labels with a loss above the last ones' `quantile`.

    Either only while it is rare: when many rows are far the data have changed, and what was far
    has to be learnt. Losses that are set aside count for the quantile, too.
    """

    deviations: Annotated[float, Gt(0)] = 6.0
    quantile: Annotated[float, Gt(0), Le(1)] = 0.999
    losses: Floats = field(init=False, default_factory=lambda: np.zeros(0))
    far: float = field(init=False, default=0.0)

    def passes(self, beyond: Floats, losses: Floats) -> NDArray[np.bool_]:
        """Which of n rows may be learnt, by their distance and their loss, (n,) each."""
        off = beyond > self.deviations
        kept = _FADE ** len(off)
        self.far = kept * self.far + (1 - kept) * float(off.mean())
        good = ~off if self.far < _RARE else np.ones(len(off), dtype=np.bool_)
        if len(self.losses) >= _ENOUGH and self.quantile < 1:
            place = min(len(self.losses) - 1, int(self.quantile * len(self.losses)))
            if np.count_nonzero(self.losses < losses.max()) > place:  # mostly all are below it
                good &= losses <= np.partition(self.losses, place)[place]
        self.losses = np.concatenate([self.losses, losses])[-_RING:]
        return good

    def copy(self) -> "Quarantine":
        """Another one with the same memory."""
        other = Quarantine(deviations=self.deviations, quantile=self.quantile)
        other.losses, other.far = self.losses, self.far
        return other

    def state(self) -> State:
        """The losses, and the share of far rows."""
        return {"losses": self.losses, "far": np.array([self.far])}

    def load_state(self, state: State) -> None:
        """Take back what `state` gave."""
        self.losses, self.far = state["losses"], float(state["far"][0])
