"""A weight per class, from how many training rows it has."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Le, Lt

from bigmodel.weighting.plan import Plan, normalised
from bigmodel.weighting.rows import Floats, Rows
from bigmodel.weighting.strategy import PRIOR, Strategy

__all__ = ["EffectiveNumber", "Inverse"]


@dataclass(kw_only=True)
class Inverse(Strategy):
    """w_c = n_c^-power: 1 makes all classes count the same, 0.5 goes half the way."""

    corrects: ClassVar[frozenset[str]] = frozenset({PRIOR})
    label: ClassVar[str] = "inverse"

    power: Annotated[float, Gt(0), Le(2)] = 1.0

    def fit(self, rows: Rows) -> Plan:
        """Weights by class."""
        rows.need_classes(self.label)
        return _by_class(rows, rows.counts.astype(np.float64) ** -self.power)


@dataclass(kw_only=True)
class EffectiveNumber(Strategy):
    """w_c = (1 - beta) / (1 - beta^n_c) (Cui et al. 2019, arXiv 1901.05555).

    beta is 1 - 1 / n_max unless given: at the paper's fixed 0.9999, large classes all weigh the
    same, and small ones as with `inverse`.
    """

    corrects: ClassVar[frozenset[str]] = frozenset({PRIOR})
    label: ClassVar[str] = "effective_number"

    beta: Annotated[float, Gt(0), Lt(1)] | None = None

    def fit(self, rows: Rows) -> Plan:
        """Weights by class."""
        rows.need_classes(self.label)
        beta = self.beta or max(1 - 1 / rows.counts.max(), 1e-9)
        # expm1 and log1p: 1 - beta^n loses all digits where beta is close to 1
        return _by_class(rows, (1 - beta) / -np.expm1(rows.counts * np.log(beta)))


def _by_class(rows: Rows, weights: Floats) -> Plan:
    return Plan(weight=normalised(rows.per_class(weights), rows))
