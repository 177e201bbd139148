"""Strategies for what a row is worth, or what a mistake on it costs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Gt

from bigmodel.errors import UserError
from bigmodel.weighting.costs import Costs, RowCosts
from bigmodel.weighting.plan import Plan, normalised
from bigmodel.weighting.rows import Floats, Rows
from bigmodel.weighting.strategy import COSTS, PRIOR, Strategy

__all__ = ["BayesMinimumRisk", "ValueColumn", "ValueCosts"]

Cost = float | str
_TRANSFORMS: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda values: values,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
}


@dataclass(kw_only=True)
class ValueColumn(Strategy):
    """w = v / mean v of a column v >= 0, after `transform`, at most `clip` (then / mean again)."""

    label: ClassVar[str] = "value_column"

    column: str
    transform: Literal["identity", "log1p", "sqrt"] = "identity"
    clip: Annotated[float, Gt(1)] = 20.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of values."""
        return (self.column,)

    def fit(self, rows: Rows) -> Plan:
        """Weights by value."""
        values = _TRANSFORMS[self.transform](rows.column(self.column, "weighting.column"))
        clipped = np.minimum(normalised(values, rows), self.clip)
        return Plan(weight=normalised(clipped, rows))


@dataclass(kw_only=True)
class _ByCosts(Strategy):
    """Costs of a false and true positive and negative: numbers, or names of columns."""

    fp: Cost
    fn: Cost
    tp: Cost = 0.0
    tn: Cost = 0.0

    @property
    def costs(self) -> Costs:
        """The four costs."""
        return Costs(self.fp, self.fn, self.tp, self.tn)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold costs."""
        return self.costs.columns

    def of_rows(self, rows: Rows) -> RowCosts:
        """The costs of all rows. Raises UserError when there are not two classes, or gaps."""
        if len(rows.classes) != 2:
            raise UserError(
                f"weighting: {self.label} needs a target of two classes, this one has "
                f"{len(rows.classes) or 'none'}; use value_column"
            )
        for name in self.columns:
            rows.column(name, f"weighting: {self.label}", negative=True)
        return self.costs.of(rows.columns, len(rows.target))


@dataclass(kw_only=True)
class ValueCosts(_ByCosts):
    """w = max(0, what a mistake costs more than the right answer), row by row, in training.

    That is C_FN - C_TP for a positive and C_FP - C_TN for a negative. The answer at 0.5 is then
    the cheap one; the probabilities no longer mean what they say.
    """

    corrects: ClassVar[frozenset[str]] = frozenset({COSTS})
    label: ClassVar[str] = "value_costs"

    def fit(self, rows: Rows) -> Plan:
        """Weights by costs."""
        costs = self.of_rows(rows)
        extra = np.where(rows.target == 1, costs.fn - costs.tp, costs.fp - costs.tn)
        weight = np.maximum(extra, 0.0)
        if not weight[rows.train].any():
            raise UserError(
                "weighting: value_costs: no mistake on a training row costs more than the right "
                "answer; correct the costs"
            )
        return Plan(weight=normalised(weight, rows), costs=self.costs)


@dataclass(kw_only=True)
class BayesMinimumRisk(_ByCosts):
    """Trains plainly and gives, for each row, the answer of the least expected cost.

    The bundle decides with the row's own costs: their columns are needed at prediction, too.
    Weights for classes or costs would count the same twice: the probabilities have to be true.
    """

    corrects: ClassVar[frozenset[str]] = frozenset({COSTS, PRIOR})
    label: ClassVar[str] = "bmr"

    @property
    def request_columns(self) -> tuple[str, ...]:
        """The columns that hold costs."""
        return self.columns

    def fit(self, rows: Rows) -> Plan:
        """The decision."""
        self.of_rows(rows)
        return Plan(costs=self.costs, decides=True)
