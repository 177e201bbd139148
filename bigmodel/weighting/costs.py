"""What each outcome costs, row by row, and the decision that costs least."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.weighting.rows import Floats


@dataclass(frozen=True)
class Costs:
    """The cost of a false and true positive and negative: a number, or the name of a column.

    The second of the two classes, in the order of the schema, is the positive one.
    """

    fp: float | str
    fn: float | str
    tp: float | str = 0.0
    tn: float | str = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold costs."""
        given = (self.fp, self.fn, self.tp, self.tn)
        return tuple(dict.fromkeys(cost for cost in given if isinstance(cost, str)))

    def of(self, columns: Mapping[str, Floats], rows: int) -> "RowCosts":
        """The costs of each of `rows` rows, whose columns of costs are (rows,) numbers."""
        return RowCosts(
            *(
                columns[cost] if isinstance(cost, str) else np.full(rows, float(cost))
                for cost in (self.fp, self.fn, self.tp, self.tn)
            )
        )

    def to_json(self) -> dict[str, float | str]:
        """Plain JSON values."""
        return {"fp": self.fp, "fn": self.fn, "tp": self.tp, "tn": self.tn}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Costs":
        """Read what `to_json` wrote. Raises KeyError or ValueError on anything else."""
        costs = [content[name] for name in ("fp", "fn", "tp", "tn")]
        return cls(*(cost if isinstance(cost, str) else float(cost) for cost in costs))


@dataclass(frozen=True)
class RowCosts:
    """The four costs of each row, (n,) each."""

    fp: Floats
    fn: Floats
    tp: Floats
    tn: Floats

    def decide(self, positive: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """1 where saying "positive" has the lower expected cost, given its probability (n,).

        Bayes minimum risk: p > (C_FP - C_TN) / (C_FP - C_TN + C_FN - C_TP), row by row
        (Correa Bahnsen et al. 2014, "Improving credit card fraud detection").
        """
        said_yes = positive * self.tp + (1 - positive) * self.fp
        said_no = positive * self.fn + (1 - positive) * self.tn
        return (said_yes < said_no).astype(np.int64)

    def total(self, said: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
        """What these decisions, 0 or 1, cost together."""
        positive = np.where(said == 1, self.tp, self.fn)
        negative = np.where(said == 1, self.fp, self.tn)
        return float(np.where(labels == 1, positive, negative).sum())

    def savings(self, said: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
        """1 - cost / (cost of the better constant answer); NaN where that one costs nothing."""
        constant = min(self.total(np.full_like(said, answer), labels) for answer in (0, 1))
        return 1 - self.total(said, labels) / constant if constant > 0 else float("nan")

    def at(self, rows: NDArray[Any]) -> "RowCosts":
        """The costs of some of the rows."""
        return RowCosts(self.fp[rows], self.fn[rows], self.tp[rows], self.tn[rows])
