"""How far two histograms over the same bins are apart, and whether chance explains it."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]  # (bins,)

_PSEUDO = 0.5  # counts added to each bin: an empty one has no logarithm
_FEWEST = 5.0  # expected counts of a cell, below which the chi-squared distribution is wrong


def psi(training: Counts, live: Counts) -> float:
    """The population stability index, sum of (q - p) ln(q / p), less what chance alone gives.

    With B bins, N training and n live rows that are alike, it is about (B - 1) (1/N + 1/n)
    (Yurdakul 2018, "Statistical properties of population stability index"): without this, few
    rows would always look as if they had moved. Never below 0.
    """
    p, q = (part + _PSEUDO for part in (training, live))
    p, q = p / p.sum(), q / q.sum()
    used = int(((training + live) > 0).sum())
    chance = (used - 1) * (1 / max(training.sum(), 1) + 1 / max(live.sum(), 1))
    return max(0.0, float(((q - p) * np.log(q / p)).sum()) - float(chance))


def ks(training: Counts, live: Counts) -> float:
    """The largest difference of the distribution functions, at the edges of ordered bins.

    At most the Kolmogorov-Smirnov statistic of the rows themselves. 0 without rows.
    """
    if not training.sum() or not live.sum():
        return 0.0
    ends = np.cumsum(live) / live.sum() - np.cumsum(training) / training.sum()
    return float(np.abs(ends).max())


def chi2_p(training: Counts, live: Counts) -> float:
    """The p-value of the chi-squared test of homogeneity of two samples.

    Neighbouring bins are counted together until they are full enough for the test.
    """
    table = _pooled(np.stack([training, live]).astype(np.float64))
    if table.shape[1] < 2:
        return 1.0
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    expected = np.outer(rows, columns) / columns.sum()
    statistic = ((table - expected) ** 2 / expected).sum()
    return beyond(float(statistic), table.shape[1] - 1)


def beyond(statistic: float, freedom: int) -> float:
    """The chance that a chi-squared variable with `freedom` > 0 degrees is at least so large.

    Abramowitz and Stegun 26.4.4 and 26.4.5: serving does without scipy.
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    odd = freedom % 2
    terms = (index + odd / 2 for index in range(freedom // 2))
    rest = math.fsum(math.exp(a * math.log(half) - half - math.lgamma(a + 1)) for a in terms)
    return min(1.0, rest + (math.erfc(math.sqrt(half)) if odd else 0.0))


def holm(p_values: list[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): below a level, any of them may be told."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.maximum.accumulate(np.asarray(p_values, dtype=np.float64)[order] * factors)
    found = np.empty(len(p_values))
    found[order] = np.minimum(corrected, 1.0)
    return [float(p) for p in found]


def _pooled(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, bins) to (2, fewer bins): each expects at least `_FEWEST` counts of either sample."""
    rows = table.sum(axis=1)
    if not rows.all():
        return np.zeros((2, 0))
    share = rows.min() / rows.sum()
    cells: list[NDArray[np.float64]] = []
    held = np.zeros(2)
    for column in table.T:
        held = held + column
        if held.sum() * share >= _FEWEST:
            cells.append(held)
            held = np.zeros(2)
    if cells:
        cells[-1] = cells[-1] + held
    return np.array(cells).reshape(-1, 2).T
