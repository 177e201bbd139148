"""Strategies for doubtful rows: a quality that is known, or label errors that are estimated."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from bigmodel.errors import UserError
from bigmodel.weighting.plan import Issues, Plan, normalised
from bigmodel.weighting.probe_scores import margins, out_of_fold
from bigmodel.weighting.rows import Floats, Rows
from bigmodel.weighting.strategy import Strategy

__all__ = ["QualityAUM", "QualityColumn", "QualityConfident"]

LEAST_ROWS = 4  # of a class: with fewer, a share of a quarter may doubt none of them
BALANCED = 3.0  # largest by smallest class: above it, doubt falls on the rare ones first


@dataclass(kw_only=True)
class QualityColumn(Strategy):
    """w = max(q, floor)^power of a column q in 0..1."""

    label: ClassVar[str] = "quality_column"

    column: str
    floor: Annotated[float, Ge(0), Le(1)] = 0.0
    power: Annotated[float, Gt(0)] = 1.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of qualities."""
        return (self.column,)

    def fit(self, rows: Rows) -> Plan:
        """Weights by quality."""
        quality = rows.column(self.column, "weighting.column")
        high = quality[rows.train] > 1
        if high.any():
            row = int(rows.train[high.argmax()])
            raise UserError(
                f"weighting.column: column {self.column!r}, row {row} (from 0): the quality "
                f"{quality[row]:g} is above 1; scale the column to 0..1"
            )
        return Plan(weight=normalised(np.maximum(quality, self.floor) ** self.power, rows))


@dataclass(kw_only=True)
class _Estimated(Strategy):
    """Rows whose label is probably wrong get the weight `weight`, and a line in the issues.

    At most the share `cap` of a class is flagged, the most doubtful first: rare classes are
    learnt last and look doubtful as a whole. `cap: null` flags all that look wrong.
    """

    weight: Annotated[float, Ge(0), Le(1)] = 0.1
    epochs: Annotated[int, Gt(0)]
    lr: Annotated[float, Gt(0)] = 0.05

    def sketch(self, rows: Rows) -> Plan:
        """Every class has enough rows to doubt some of them; which, only `fit` can tell."""
        rows.need_classes(self.label)
        if rows.counts.min() < LEAST_ROWS:
            name = rows.classes[int(rows.counts.argmin())]
            raise UserError(
                f"weighting: {self.label} needs {LEAST_ROWS} training rows of each class, "
                f"{name!r} has {rows.counts.min()}; leave the class out, or use quality_column"
            )
        none = np.zeros(len(rows.train), dtype=np.int64)
        return Plan(issues=Issues(none.astype(np.bool_), none, none.astype(np.float64)))

    def fit(self, rows: Rows) -> Plan:
        """Weights by the estimate."""
        self.sketch(rows)
        made_by = f"{self!r}, seed {rows.probe.seed if rows.probe else None}"
        known = rows.known if rows.known and rows.known.made_by == made_by else None
        issues = known or replace(self.estimate(rows), made_by=made_by)
        weight = np.ones(len(rows.target))
        weight[rows.train[issues.flagged]] = self.weight
        note = f"{self.label}: {issues.flagged.sum():,} of {len(rows.train):,} labels look wrong"
        return Plan(weight=normalised(weight, rows), issues=issues, notes=(note,))

    @abstractmethod
    def estimate(self, rows: Rows) -> Issues:
        """Which labels are doubtful."""


@dataclass(kw_only=True)
class QualityConfident(_Estimated):
    """Confident learning (Northcutt et al. 2021, arXiv 1911.00068), made safe for long tails.

    Networks that did not see a row give its probabilities P; t_c is the mean of P_c over rows
    labelled c. A row is flagged when the likeliest class among those with P_c >= t_c, and the
    likeliest of all, are both another one. With imbalance the networks train logit-adjusted, or
    they would doubt every rare label.
    """

    label: ClassVar[str] = "quality_confident"

    epochs: Annotated[int, Gt(0)] = 40
    folds: Annotated[int, Ge(2), Le(20)] = 5
    cap: Annotated[float, Gt(0), Le(1)] | None = 0.25

    def estimate(self, rows: Rows) -> Issues:
        """By probabilities out of fold."""
        folds = int(np.clip(rows.counts.min(), 2, self.folds))
        adjust = rows.imbalance > BALANCED
        probabilities = out_of_fold(rows, folds, self.epochs, self.lr, adjust)
        labels = rows.target[rows.train]
        given = probabilities[np.arange(len(labels)), labels]
        means = np.bincount(labels, given) / rows.counts
        likely = np.where(probabilities >= means, probabilities, -1.0)
        other, first = likely.argmax(1), probabilities.argmax(1)
        flagged = (likely.max(1) >= 0) & (other != labels) & (first != labels)
        return Issues(capped(flagged, given, labels, self.cap), first, given)


@dataclass(kw_only=True)
class QualityAUM(_Estimated):
    """Area under the margin (Pleiss et al. 2020, arXiv 2001.10528).

    The mean over the epochs of one short training of z_y - max z_other, from its own steps:
    below 0, the network never came to agree with the label. Capped only with imbalance.
    """

    label: ClassVar[str] = "quality_aum"

    epochs: Annotated[int, Gt(0)] = 15
    cap: Annotated[float, Gt(0), Le(1)] = 0.25

    def estimate(self, rows: Rows) -> Issues:
        """By the margins of one training."""
        score, suggested = margins(rows, self.epochs, self.lr)
        labels = rows.target[rows.train]
        cap = self.cap if rows.imbalance > BALANCED else None
        return Issues(capped(score < 0, score, labels, cap), suggested, score)


def capped(
    flagged: NDArray[np.bool_], score: Floats, labels: NDArray[np.int64], cap: float | None
) -> NDArray[np.bool_]:
    """Of each class at most the share `cap` of its rows, those with the lowest score first."""
    if cap is None:
        return flagged
    kept = np.zeros_like(flagged)
    for code in np.unique(labels[flagged]):
        rows = np.flatnonzero(flagged & (labels == code))
        most = int(cap * (labels == code).sum())
        kept[rows[np.argsort(score[rows], kind="stable")[:most]]] = True
    return kept
