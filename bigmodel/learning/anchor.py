"""The anchor: labels that are never learnt, and that no new version may do worse on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import NDArray

from bigmodel.learning.arrays import Floats, State, changed

__all__ = ["Anchor"]

_FEW = 30  # labels that say nothing yet
Losses = Callable[[NDArray[np.float32], NDArray[np.float64]], Floats]


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """The last `ring` of them, a `fraction` of all labels where nobody audits any.

    A version whose mean loss on them is more than `tolerance` above that of the last good one is
    vetoed. After `patience` vetoes in a row it is asked whether the world has changed: if the
    last good version does worse on the newer half than on the older, the older half is dropped
    and the version passes. Immutable.
    """

    fraction: Annotated[float, Ge(0), Lt(1)] = 0.05
    ring: Annotated[int, Gt(0)] = 200
    tolerance: Annotated[float, Ge(0)] = 0.004
    patience: Annotated[int, Gt(0)] = 20
    rows: NDArray[np.float32] = field(init=False, default_factory=lambda: np.zeros((0, 0), "f4"))
    labels: NDArray[np.float64] = field(init=False, default_factory=lambda: np.zeros(0))
    vetoes: int = field(init=False, default=0)

    def added(self, rows: NDArray[np.float32], labels: NDArray[np.float64]) -> "Anchor":
        """With these as well, and without the oldest."""
        before = self.rows.reshape(-1, rows.shape[1])
        rows = np.concatenate([before, rows])[-self.ring :]
        return changed(self, rows=rows, labels=np.concatenate([self.labels, labels])[-self.ring :])

    def judged(self, candidate: Losses, good: Losses) -> tuple["Anchor", bool]:
        """The anchor afterwards, and whether the candidate may be published."""
        if len(self.rows) <= _FEW:
            return self, True
        theirs, ours = candidate(self.rows, self.labels), good(self.rows, self.labels)
        if theirs.mean() <= ours.mean() + self.tolerance:
            return changed(self, vetoes=0), True
        if self.vetoes + 1 < self.patience:
            return changed(self, vetoes=self.vetoes + 1), False
        half = len(ours) // 2
        old, new = ours[:half], ours[half:]
        error = np.sqrt(old.var() / len(old) + new.var() / len(new))
        if new.mean() > old.mean() + 2 * error:
            return changed(self, rows=self.rows[half:], labels=self.labels[half:], vetoes=0), True
        return changed(self, vetoes=self.vetoes + 1), False

    def state(self) -> State:
        """The ring, and the vetoes in a row."""
        return {"rows": self.rows, "labels": self.labels, "vetoes": np.array([self.vetoes])}

    def loaded(self, state: State) -> "Anchor":
        """The anchor that gave this state."""
        vetoes = int(state["vetoes"][0])
        return changed(self, rows=state["rows"], labels=state["labels"], vetoes=vetoes)
