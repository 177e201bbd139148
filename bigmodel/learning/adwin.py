"""ADWIN: has the mean of a stream of numbers changed? (Bifet and Gavalda 2007, SDM)."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.learning.arrays import Floats

_BUCKETS = 5  # of a size, before two become one of twice the size
_FIRST = 32  # numbers in the smallest bucket: there is a look whenever one is full


@dataclass
class Adwin:
    """A window of numbers in 0..1 that drops its old part when the means of the parts differ.

    `delta` bounds the chance of a false alarm. The window is kept as (count, sum) of buckets
    of 32, 64, 128, ... numbers, the oldest first.
    """

    delta: float = 0.002
    counts: list[int] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)
    count: int = 0  # of the bucket that is being filled
    total: float = 0.0

    def extend(self, values: NDArray[Any]) -> float:
        """Take n numbers; returns by how much the mean has risen (or fallen), 0 for no change."""
        changes, start = [], 0
        while start < len(values):
            part = values[start : start + _FIRST - self.count]
            start += len(part)
            self.count += len(part)
            self.total += float(part.sum())
            if self.count == _FIRST:
                changes.append(self._look())
        return max(changes, default=0.0)

    def _look(self) -> float:
        """What has changed, now that a bucket is full."""
        self.counts.append(self.count)
        self.sums.append(self.total)
        self.count, self.total, change = 0, 0.0, 0.0
        self._merge()
        while (found := self._cut()) is not None:
            place, change = found
            del self.counts[:place], self.sums[:place]
        return change

    def _merge(self) -> None:
        """Where there are too many buckets of a size, the two oldest of them become one."""
        size, last = _FIRST, len(self.counts)
        while True:
            first = last
            while first > 0 and self.counts[first - 1] == size:
                first -= 1
            if last - first <= _BUCKETS:
                return
            self.counts[first : first + 2] = [2 * size]
            self.sums[first : first + 2] = [self.sums[first] + self.sums[first + 1]]
            size, last = 2 * size, first + 1

    def _cut(self) -> tuple[int, float] | None:
        """The first place at which old and new differ, and by how much the new is larger."""
        total, whole = sum(self.counts), sum(self.sums)
        if len(self.counts) < 2:
            return None
        mean, scale = whole / total, math.log(2.0 * math.log(total) / self.delta)
        spread, least = 2.0 * mean * (1.0 - mean) * scale, 2.0 / 3.0 * scale
        count, amount = 0, 0.0
        for place, (size, value) in enumerate(zip(self.counts, self.sums, strict=True), 1):
            count, amount = count + size, amount + value
            rest = total - count
            if not rest:
                break
            harmonic = 1.0 / count + 1.0 / rest
            rise = (whole - amount) / rest - amount / count
            if abs(rise) > math.sqrt(spread * harmonic) + least * harmonic:
                return place, rise
        return None

    def state(self) -> Floats:
        """(2, buckets + 1): counts and sums; the first column is the bucket being filled."""
        return np.array([[self.count, *self.counts], [self.total, *self.sums]])

    def load_state(self, state: Floats) -> None:
        """Take back what `state` gave."""
        self.count, self.total = int(state[0, 0]), float(state[1, 0])
        self.counts = [int(count) for count in state[0, 1:]]
        self.sums = [float(value) for value in state[1, 1:]]
