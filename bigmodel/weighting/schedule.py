"""Deferred re-weighting: first learn the features plainly, then balance."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt

from bigmodel.weighting.plan import Plan
from bigmodel.weighting.rows import Rows
from bigmodel.weighting.strategy import Strategy

__all__ = ["Deferred"]


@dataclass(kw_only=True)
class Deferred(Strategy):
    """The weights or the sampler `of` take over after the share `start` of the epochs.

    DRW of Cao et al. 2019, arXiv 1906.07413; with a sampler DRS. Early stopping waits for it.
    """

    label: ClassVar[str] = "drw"

    of: Strategy
    start: Annotated[float, Gt(0), Lt(1)] = 0.7

    def __post_init__(self) -> None:
        # a doubtful label is as doubtful early on
        if self.of.label not in ("inverse", "effective_number", "sampler"):
            raise ValueError(
                f"drw cannot defer {self.of.label}; it takes inverse, effective_number or sampler"
            )

    @property
    def corrects(self) -> frozenset[str]:  # type: ignore[override]
        """What the deferred strategy corrects."""
        return self.of.corrects

    def fit(self, rows: Rows) -> Plan:
        """The deferred plan, and weights of 1 until then."""
        plan = self.of.fit(rows)
        early = None if plan.weight is None else np.ones_like(plan.weight)
        return replace(plan, early=early, start=self.start)
