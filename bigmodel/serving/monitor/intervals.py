"""Between which bounds a figure lies that was measured on few rows."""

import math
from collections.abc import Sequence
from typing import NamedTuple

Z = 2.576  # normal quantile of 99 %: it is looked at again and again, so one in 20 is too often


class Interval(NamedTuple):
    """A figure, the bounds of its 99 % interval, and the number of rows that it is from."""

    value: float
    low: float
    high: float
    rows: int


def wilson(hits: int, count: int) -> Interval:
    """Of a share (Wilson 1927): within 0 and 1, and right for few rows, too. count > 0."""
    share, z2 = hits / count, Z * Z / count
    centre = (share + z2 / 2) / (1 + z2)
    half = Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count)) / (1 + z2)
    # all hits and none are bounds, too, but for the last digit
    low, high = min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))
    return Interval(share, low, high, count)


def mean(values: Sequence[float]) -> Interval:
    """Of a mean, by the normal approximation; without bounds where there is one value only."""
    count = len(values)
    middle = math.fsum(values) / count
    if count < 2:
        return Interval(middle, -math.inf, math.inf, count)
    variance = math.fsum((value - middle) ** 2 for value in values) / (count - 1)
    half = Z * math.sqrt(variance / count)
    return Interval(middle, middle - half, middle + half, count)
