"""What all experts have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from bigmodel.learning.arrays import Floats, State, changed, one_hot
from bigmodel.learning.lift import Features


@dataclass(frozen=True)
class Shape:
    """What an expert has to know: `classes` (0: a regression), the widths of what it sees."""

    classes: int
    raw: int
    inputs: int
    lift: int
    known: int
    seed: int = 0

    @property
    def outputs(self) -> int:
        """How many numbers an answer has."""
        return self.classes or 1


@dataclass(kw_only=True)
class Expert(ABC):
    """Settings as fields; the arrays named in `arrays` are made by `start`.

    An array is replaced, never changed in place: a copy of the expert that somebody reads stays
    as it is, and costs nothing. A `quick` expert learns every block, the others when about
    sixteen rows have come. All answers are (n, K) logits, or (n, 1) values.
    """

    arrays: ClassVar[tuple[str, ...]] = ()

    quick: bool = field(init=False, default=False)

    @abstractmethod
    def start(self, shape: Shape) -> None:
        """Make the arrays."""

    @abstractmethod
    def predict(self, features: Features) -> Floats:
        """The answers to n rows."""

    def learn(self, features: Features, labels: Any) -> None:  # noqa: B027  the frozen one does not
        """Learn n rows in their order; `labels` (n,) are codes (int64) or values (float64)."""

    def forget(self, keep: float) -> None:  # noqa: B027
        """Something has changed: keep only this share of what was learnt."""

    def grow(self, classes: int) -> None:  # noqa: B027
        """From now on there are so many classes; the new ones come last."""

    def copy(self) -> Self:
        """Another expert with the same arrays: each may learn on without the other."""
        return changed(self)

    def state(self) -> State:
        """The arrays by name."""
        return {name: np.asarray(getattr(self, name)) for name in self.arrays}

    def load_state(self, state: State) -> None:
        """Take back what `state` gave."""
        for name in self.arrays:
            setattr(self, name, state[name])


def targets(labels: Any, classes: int) -> Floats:
    """Labels as what a linear model is fitted to: one-hot (n, K), or values (n, 1)."""
    if classes:
        return one_hot(labels, classes)
    return np.asarray(labels, dtype=np.float64)[:, None]
