"""How much worse a smaller model is: a paired comparison on the same rows, with its bound.

Both models answer the same rows, so that what they have in common cancels out: the bound is far
tighter than that of two scores measured apart.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.compression.resample import Answers, Floats, sampler
from bigmodel.data.spec import ModelSpec
from bigmodel.training.monitor import SMALLER_IS_BETTER

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Drop:
    """The loss of a metric: its estimate `value`, and `upper`, the one-sided bound.

    Absolute for scores, relative for errors; below 0 where the smaller model is better. `rows` is
    the number of rows compared.
    """

    value: float
    upper: float
    rows: int

    def proven(self, most: float) -> bool:
        """Whether even the bound is within `most`."""
        return self.upper <= most

    def too_few(self, most: float) -> bool:
        """Whether these rows could not prove `most` though the models were equally good."""
        return self.upper - self.value > most

    def accepted(self, most: float) -> bool:
        """Proven; or within `most`, where there are too few rows to prove it."""
        return self.proven(most) or (self.too_few(most) and self.value <= most)

    def needed(self, most: float) -> int:
        """How many rows would prove a loss of 0: the bound narrows with their square root."""
        return int(np.ceil(self.rows * ((self.upper - self.value) / most) ** 2))


def drop(
    metric: str,
    spec: ModelSpec,
    target: NDArray[Any],
    before: Answers,
    after: Answers,
    tries: int = 1,
    groups: NDArray[np.integer[Any]] | None = None,
) -> Drop:
    """How much of `metric` (without its split) is lost from `before` to `after`.

    `target` (n,) are class codes, or standardised values. With several `tries`, of which the best
    is to be kept, the bound is that of Bonferroni. Accuracy has a closed form,
    mean(d) + z sd(d) / sqrt(n); the others are bootstrapped over rows, both models on the same
    draws (Efron 1979). Rows of one of the `groups` (n,) share an origin: these are drawn as a
    whole, else the bound would be too narrow.
    """
    alpha = (1 - CONFIDENCE) / tries
    rows = len(target)
    if metric == "accuracy":
        lost = (before.said == target).astype(float) - (after.said == target)
        value = float(lost.mean())
        z = NormalDist().inv_cdf(1 - alpha)
        return Drop(value, value + z * _standard_error(lost, groups), rows)
    sample = sampler(metric, spec, target, before, after, groups)
    one, other = sample(None)
    draws = sample(np.random.default_rng(0))
    lost = _lost(metric, *draws)
    lost = lost[np.isfinite(lost)]
    value = float(_lost(metric, one, other)[0])
    return Drop(value, max(value, float(np.quantile(lost, 1 - alpha))), rows)


def _standard_error(lost: Floats, groups: NDArray[np.integer[Any]] | None) -> float:
    """Of the mean of `lost` (n,): sd / sqrt(n), or that of the sums of groups around theirs."""
    if groups is None:
        plain: float = float(lost.std(ddof=1)) / len(lost) ** 0.5
        return plain
    sums = np.bincount(groups, lost - lost.mean())
    count = len(np.unique(groups))
    spread = float(np.sum(sums**2)) * count / max(count - 1, 1)
    return float(np.sqrt(spread)) / len(lost)


def _lost(metric: str, before: Floats, after: Floats) -> Floats:
    """Absolute for scores, relative for errors."""
    if metric in SMALLER_IS_BETTER:
        relative: Floats = (after - before) / np.maximum(np.abs(before), 1e-12)
        return relative
    return before - after
