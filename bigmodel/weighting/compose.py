"""Several strategies at once: their weights multiplied, everything else at most once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Le

from bigmodel.errors import UserError
from bigmodel.weighting.plan import Plan, normalised
from bigmodel.weighting.rows import Floats, Rows
from bigmodel.weighting.strategy import Strategy

__all__ = ["Compose"]

_ONCE = ("sampler", "loss", "head", "stage", "posthoc", "issues")


@dataclass(kw_only=True)
class Compose(Strategy):
    """w = product of the sources' weights, each of mean 1; / mean, clipped to `clip`, / mean.

    `sources` is a list, or a mapping with names of your own. A weight of 0 stays 0. Two sources
    that correct the same thing are refused, unless `allow_double`.
    """

    label: ClassVar[str] = "compose"

    sources: Mapping[str, Strategy | None] | Sequence[Strategy]
    clip: tuple[Annotated[float, Gt(0), Le(1)], Annotated[float, Gt(1)]] = (0.05, 20.0)
    allow_double: bool = False

    def __post_init__(self) -> None:
        given = self.sources.values() if isinstance(self.sources, Mapping) else self.sources
        self.parts = [source for source in given if source is not None]
        if not self.parts:
            raise ValueError("compose needs at least one source")
        for one, other in combinations(self.parts, 2):
            both = one.corrects & other.corrects
            if both and not self.allow_double:
                raise ValueError(
                    f"{one.label} and {other.label} both correct {' and '.join(sorted(both))}; "
                    "keep one of them, or set weighting.allow_double=true"
                )

    @property
    def corrects(self) -> frozenset[str]:  # type: ignore[override]
        """What any of the sources corrects."""
        return frozenset().union(*(source.corrects for source in self.parts))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of all sources."""
        return tuple(dict.fromkeys(name for s in self.parts for name in s.columns))

    @property
    def request_columns(self) -> tuple[str, ...]:
        """Those that a prediction needs, too."""
        return tuple(dict.fromkeys(name for s in self.parts for name in s.request_columns))

    def sketch(self, rows: Rows) -> Plan:
        """Each source allows these rows, and none wants another one's place."""
        return self._merged([source.sketch(rows) for source in self.parts])

    def fit(self, rows: Rows) -> Plan:
        """The plan of all sources together. Raises UserError where two want the same place."""
        self.sketch(rows)
        plans = [source.fit(rows) for source in self.parts]
        merged = self._merged(plans)
        weights = [plan.weight for plan in plans if plan.weight is not None]
        early = [
            plan.weight if plan.early is None else plan.early
            for plan in plans
            if plan.weight is not None
        ]
        return replace(
            merged,
            weight=self._product(weights, rows),
            early=self._product(early, rows) if merged.start else None,
        )

    def _merged(self, plans: Sequence[Plan]) -> Plan:
        """All plans in one, but for their weights."""
        merged = Plan()
        for source, plan in zip(self.parts, plans, strict=True):
            merged = _merge(merged, plan, source.label)
        if merged.head is not None and merged.stage is not None:
            labels = " and ".join(source.label for source in self.parts)
            raise UserError(
                f"weighting: {labels}: a second stage needs the head that ldam replaces; "
                "keep one of them"
            )
        return merged

    def _product(self, weights: Sequence[Floats | None], rows: Rows) -> Floats | None:
        factors = [weight for weight in weights if weight is not None]
        if not factors:
            return None
        product = normalised(reduce(np.multiply, factors), rows)
        clipped = np.where(product == 0, 0.0, np.clip(product, *self.clip))
        return normalised(clipped, rows)


def _merge(one: Plan, other: Plan, label: str) -> Plan:
    """Both plans, but for their weights."""
    taken = {}
    for name in _ONCE:
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine is not None and theirs is not None:
            raise UserError(f"weighting: {label}: only one source can set the {name}; remove one")
        taken[name] = theirs if mine is None else mine
    return Plan(
        start=max(one.start, other.start),
        costs=one.costs or other.costs,
        decides=one.decides or other.decides,
        tau=one.tau + other.tau,
        notes=one.notes + other.notes,
        **taken,
    )
