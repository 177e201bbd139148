"""What a fitted strategy changes in a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.weighting.rows import Floats, Rows

if TYPE_CHECKING:
    from torch import nn

    from bigmodel.weighting.costs import Costs
    from bigmodel.weighting.posthoc import PostHoc
    from bigmodel.weighting.sampling import ClassFirst
    from bigmodel.weighting.stages import Stage

FEW_EFFECTIVE = 0.1  # a share: with fewer effective rows, a handful of rows is all that is learnt


@dataclass(frozen=True)
class Issues:
    """Estimated label errors of the training rows: what `label_issues.csv` is written from.

    All are (m,), in the order of `Rows.train`: `flagged`, the class `suggested` instead, and the
    `score` of the given label, the lower the more doubtful.
    """

    flagged: NDArray[np.bool_]
    suggested: NDArray[np.int64]
    score: Floats
    made_by: str = ""  # the strategy with its settings, and the seed


@dataclass(frozen=True)
class Plan:
    """The three plug points, and what comes after the fit; the default changes nothing.

    `weight` (n,) is the weight of each row, of mean 1 over the training rows; `early` replaces it
    before the share `start` of the fit's epochs. `sampler` draws the rows of an epoch. `loss`
    makes the loss, `head` the last layer out of a plain one. After the fit, `stage` replaces the
    last layer, `posthoc` shifts the logits, and `decides` says that `costs` decide the answer.
    `tau` is the power of the class prior that the loss itself corrects.
    """

    weight: Floats | None = None
    early: Floats | None = None
    start: float = 0.0
    sampler: ClassFirst | None = None
    loss: Callable[..., nn.Module] | None = None
    head: Callable[[nn.Linear], nn.Module] | None = None
    stage: Stage | None = None
    posthoc: PostHoc | None = None
    costs: Costs | None = None
    decides: bool = False
    tau: float = 0.0
    issues: Issues | None = None
    notes: tuple[str, ...] = ()
    evaluate_weighted: bool = False

    def begins(self, epochs: int) -> int:
        """The epoch (from 0) at which deferred parts take over: the last one, if not before."""
        return min(math.ceil(self.start * epochs), epochs - 1)

    def prior(self, rows: Rows) -> Floats | None:
        """The class shares, (C,), that the trained network's probabilities stand for.

        The shares of the training rows, as far as weights, the sampler or the loss did not change
        them. None for a regression.
        """
        if not rows.classes:
            return None
        if self.sampler is not None:
            shares = self.sampler.shares(rows.counts)
        elif self.stage is not None and self.stage.balances:
            shares = np.full(len(rows.classes), 1 / len(rows.classes))
        else:
            shares = rows.counts / rows.counts.sum()
        if self.weight is not None:
            totals = np.bincount(rows.target[rows.train], self.weight[rows.train], len(shares))
            shares = shares * totals / np.maximum(rows.counts, 1)
        corrected = np.where(shares > 0, np.maximum(shares, 1e-300) ** (1 - self.tau), 0.0)
        result: Floats = corrected / corrected.sum()
        return result


def normalised(weight: Floats, rows: Rows) -> Floats:
    """Weights whose mean over the training rows is 1."""
    result: Floats = weight / weight[rows.train].mean()
    return result


def effective_rows(weight: NDArray[Any]) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2: as many equal weights would tell as much.

    `weight` (m,) are those of the training rows.
    """
    weight = weight.astype(np.float64)
    return float(weight.sum() ** 2 / (weight**2).sum())
