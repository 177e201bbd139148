"""What all strategies have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from bigmodel.weighting.plan import Plan
from bigmodel.weighting.rows import Rows

PRIOR, COSTS = "the class prior", "the costs"


@dataclass(kw_only=True)
class Strategy(ABC):
    """Fitted on the training rows, once, before the fit.

    `corrects` names what it makes up for: two sources must not correct the same thing.
    With `evaluate_weighted`, validation and test metrics are also reported with weights.
    """

    corrects: ClassVar[frozenset[str]] = frozenset()
    label: ClassVar[str] = ""

    evaluate_weighted: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table whose raw numbers it needs."""
        return ()

    @property
    def request_columns(self) -> tuple[str, ...]:
        """Those of them that a prediction needs, too."""
        return ()

    def check(self, rows: Rows) -> None:
        """Raise UserError when the rows do not allow this strategy; costs next to nothing."""
        self.sketch(rows)

    def sketch(self, rows: Rows) -> Plan:
        """The plan, as far as it can be had without a training; raises as `fit`."""
        return self.fit(rows)

    @abstractmethod
    def fit(self, rows: Rows) -> Plan:
        """The plan for these rows. Raises UserError when they do not allow it."""
