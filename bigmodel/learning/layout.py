"""The row of numbers that a frozen network hands to the learner."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Layout:
    """A row is float32: `outputs` of the network, then its `hidden` features, then `columns`.

    Outputs are logits, one per class, or the one standardised value of a regression. The columns
    are the encoded table; images and texts have none.
    """

    outputs: int
    hidden: int
    columns: int
    task: Task = "classification"

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return self.outputs + self.hidden + self.columns

    def parts(self, rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """(n, width) as (n, outputs), (n, hidden) and (n, columns), in float64."""
        wide = np.asarray(rows, dtype=np.float64)
        first, second = self.outputs, self.outputs + self.hidden
        return wide[:, :first], wide[:, first:second], wide[:, second:]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `Layout(**...)` reads them."""
        return asdict(self)
