"""Drawing rows class first: any number of rows, any number of processes, any epoch again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from bigmodel.weighting.plan import Plan
from bigmodel.weighting.rows import Floats, Rows
from bigmodel.weighting.strategy import PRIOR, Strategy

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Sampler"]

POWERS = {"balanced": 0.0, "sqrt": 0.5}


@dataclass(kw_only=True)
class Sampler(Strategy):
    """Draws a class, then one of its rows; an epoch has as many draws as there are rows.

    `draw`: `balanced` draws all classes equally often, `sqrt` by the square root of their size,
    `progressive` goes from their own shares to equal ones over the fit (Kang et al. 2020, arXiv
    1910.09217). Without `replacement`, a row comes again only when all of its class have come.
    """

    corrects: ClassVar[frozenset[str]] = frozenset({PRIOR})
    label: ClassVar[str] = "sampler"

    draw: Literal["balanced", "sqrt", "progressive"] = "balanced"
    replacement: bool = True

    def fit(self, rows: Rows) -> Plan:
        """The order of the rows."""
        rows.need_classes(self.label)
        return Plan(sampler=ClassFirst(rows.target[rows.train], self.draw, self.replacement))


@dataclass(frozen=True)
class ClassFirst:
    """`order` gives the positions, among the training rows, that an epoch draws.

    `labels` (m,) are their class codes. Everything follows from the epoch and its generator, so
    that every process of a run draws the same, and a resumed run draws it again.
    """

    labels: NDArray[np.int64]
    draw: str
    replacement: bool = True

    def shares(self, counts: NDArray[np.int64], progress: float = 1.0) -> Floats:
        """How often each class is drawn, (C,), after the share `progress` of the fit."""
        own, equal = counts / counts.sum(), (counts > 0) / (counts > 0).sum()
        if self.draw == "progressive":
            mixed: Floats = (1 - progress) * own + progress * equal
            return mixed
        powered = np.where(counts > 0, counts.astype(np.float64) ** POWERS[self.draw], 0.0)
        result: Floats = powered / powered.sum()
        return result

    def order(self, epoch: int, epochs: int, generator: torch.Generator) -> Tensor:
        """(m,) positions, int64, for the epoch `epoch` (from 0) of `epochs`."""
        import torch

        labels = torch.from_numpy(np.ascontiguousarray(self.labels, dtype=np.int64))
        counts = torch.bincount(labels)
        progress = min(1.0, epoch / max(1, epochs - 1))
        shares = torch.from_numpy(self.shares(counts.numpy(), progress))
        drawn = torch.multinomial(shares, len(labels), replacement=True, generator=generator)
        by_class = torch.argsort(labels, stable=True)
        starts = counts.cumsum(0) - counts
        if self.replacement:
            at = torch.rand(len(labels), generator=generator, dtype=torch.float64)
            return by_class[starts[drawn] + (at * counts[drawn]).long()]
        positions = torch.empty_like(drawn)
        for code in np.unique(drawn.numpy()).tolist():
            places = (drawn == code).nonzero()[:, 0]
            own = by_class[starts[code] : starts[code] + counts[code]]
            rounds = -(-len(places) // len(own))
            cycled = torch.cat(
                [own[torch.randperm(len(own), generator=generator)] for _ in range(rounds)]
            )
            positions[places] = cycled[: len(places)]
        return positions
