"""What a strategy is fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.errors import UserError

if TYPE_CHECKING:
    from bigmodel.weighting.plan import Issues
    from bigmodel.weighting.probe import Probe

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """All rows of a table. A strategy gives each of them a weight, but learns from `train` only.

    `target` (n,) are class codes (int64) or standardised values, `classes` their names (none for
    a regression), `train` (m,) the positions of the training rows, `columns` the raw numbers
    (n,) of the columns that the strategy asked for, NaN where there is none. `probe` trains
    throw-away networks on the table; `known` is an estimate of label errors made before;
    `weighed` are the positions of rows that need a weight, when not only those of `train` do.
    """

    target: NDArray[Any]
    classes: tuple[str, ...]
    train: NDArray[np.int64]
    columns: Mapping[str, Floats] = field(default_factory=dict)
    probe: Probe | None = None
    known: Issues | None = None
    weighed: NDArray[np.int64] | None = None

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """The number of training rows of each class, (C,)."""
        return np.bincount(self.target[self.train], minlength=len(self.classes))

    @property
    def imbalance(self) -> float:
        """The largest class divided by the smallest one that has training rows."""
        present = self.counts[self.counts > 0]
        return float(present.max() / present.min())

    def need_classes(self, strategy: str) -> None:
        """Raise UserError unless the target is a class and each class has training rows."""
        if not self.classes:
            raise UserError(
                f"weighting: {strategy} balances classes, and the target is a number; "
                "use value_column, quality_column or none"
            )
        if (self.counts == 0).any():
            missing = self.classes[int(self.counts.argmin())]
            raise UserError(
                f"weighting: {strategy}: the class {missing!r} has no training row; "
                "leave its rows out, or split in another way"
            )

    def per_class(self, values: Floats) -> Floats:
        """A value for each class, (C,), given to its rows, (n,)."""
        given: Floats = values[self.target.astype(np.int64)]
        return given

    def column(self, name: str, setting: str, *, negative: bool = False) -> Floats:
        """The raw numbers of a column; UserError when a training row's cannot be a weight.

        `setting` is the key that named it. Rows are counted from 0, as in `splits.parquet`.
        """
        values = self.columns[name]
        needed = self.train if self.weighed is None else self.weighed
        wrong, what = np.isnan(values[needed]), "has no value"
        if not wrong.any() and not negative:
            wrong, what = values[needed] < 0, "is negative"
        if wrong.any():
            row = int(needed[wrong.argmax()])
            shown = "" if np.isnan(values[row]) else f" ({values[row]:g})"
            raise UserError(
                f"{setting}: column {name!r}, row {row} (from 0): the cell {what}{shown}; every "
                "training row needs a number of at least 0; correct the cell, or leave out the row"
            )
        if not negative and not values[self.train].any():
            raise UserError(
                f"{setting}: column {name!r} is 0 in all training rows, so nothing could be "
                "learnt; name another column"
            )
        return values
