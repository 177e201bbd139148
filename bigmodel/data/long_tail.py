"""An even table made long-tailed on purpose, to try what helps against that."""

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from bigmodel.data.splits import TRAIN, UNUSED, Parts

__all__ = ["LongTail"]


class LongTail:
    """Thins the train split, and only it, so that its classes fall off exponentially.

    The largest class keeps its n rows, the rarest n / `imbalance_factor` (at least one); 1
    changes nothing. Which rows go depends on the seed alone.
    """

    def __init__(self, imbalance_factor: Annotated[float, Ge(1)] = 1.0) -> None:
        self.imbalance_factor = imbalance_factor

    def thin(self, codes: NDArray[np.int64], parts: Parts, seed: int) -> Parts:
        """The parts (n,) with the train rows that go marked as unused."""
        rng = np.random.default_rng(seed)
        counts = np.bincount(codes[parts == TRAIN])
        ranked = np.argsort(-counts, kind="stable")
        thinned = parts.copy()
        for rank, code in enumerate(ranked):
            share = self.imbalance_factor ** (-rank / max(1, len(ranked) - 1))
            keep = max(1, round(counts[ranked[0]] * share))
            rows = rng.permutation(np.flatnonzero((codes == code) & (parts == TRAIN)))
            thinned[rows[keep:]] = UNUSED
        return thinned
