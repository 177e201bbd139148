"""The choice that needs no thought: by the imbalance of the training rows."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from annotated_types import Ge

from bigmodel.weighting.logits import LogitAdjust
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.rows import Rows
from bigmodel.weighting.strategy import PRIOR, Strategy

__all__ = ["Auto"]


@dataclass(kw_only=True)
class Auto(Strategy):
    """`logit_adjust` where the largest class has `threshold` times the rows of the smallest.

    Logit adjustment needs no tuning and no schedule, and is the best or near it on most data;
    only a sweep on validation macro F1 knows better.
    """

    corrects: ClassVar[frozenset[str]] = frozenset({PRIOR})
    label: ClassVar[str] = "auto"

    threshold: Annotated[float, Ge(1)] = 3.0

    def fit(self, rows: Rows) -> Plan:
        """The chosen plan, and why."""
        if not rows.classes:
            return Plan(notes=("auto: the target is a number, so there are no classes to balance",))
        found = f"auto: the largest class has {rows.imbalance:.1f} times the rows of the smallest"
        if rows.imbalance < self.threshold:
            return Plan(notes=(f"{found}, less than {self.threshold:g}: no weighting",))
        note = f"{found}, {self.threshold:g} or more: logit_adjust"
        return replace(LogitAdjust().fit(rows), notes=(note,))
