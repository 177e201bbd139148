"""Labels that the slower experts have not learnt yet."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bigmodel.learning.arrays import Ints


class Pending(NamedTuple):
    """`rows` (m, width), how many labels each knew (`seen`), and `labels` (m,)."""

    rows: NDArray[np.float32]
    seen: Ints
    labels: NDArray[Any]

    @classmethod
    def of(cls, width: int, labels: NDArray[Any]) -> "Pending":
        """None; `labels` say of which type they will be."""
        return cls(np.zeros((0, width), np.float32), np.zeros(0, np.int64), labels[:0])

    def plus(self, rows: NDArray[np.float32], seen: Ints, labels: NDArray[Any]) -> "Pending":
        """With these as well."""
        if not len(self.rows):
            return Pending(rows, seen, labels)
        return Pending(
            np.concatenate([self.rows, rows]),
            np.concatenate([self.seen, seen]),
            np.concatenate([self.labels, labels]),
        )

    def none(self) -> "Pending":
        """All learnt."""
        return Pending(self.rows[:0], self.seen[:0], self.labels[:0])
