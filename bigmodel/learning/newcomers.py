"""Labels of classes that the model does not have: kept until there are enough of one to take it up.

A single label that nobody has heard of is a mistake of who sent it more often than a new class.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from bigmodel.learning.arrays import Ints, State

__all__ = ["NewClasses"]

_MOST = 64  # names that wait: beyond it, the one of which no label came for the longest time goes


@dataclass(frozen=True, kw_only=True)
class NewClasses:
    """A model takes up to `most` classes that come later, each once it has `rows` labels of it.

    With 0 of them a label that is no class is refused.
    """

    most: Annotated[int, Ge(0)] = 0
    rows: Annotated[int, Gt(0)] = 8


class Held(NamedTuple):
    """Labelled rows (m, width) of one name, and how many labels each knew (`seen`)."""

    rows: NDArray[np.float32]
    seen: Ints


@dataclass(frozen=True)
class Newcomers:
    """The labels that wait, by name; the name whose last label is the oldest comes first.

    Immutable: `plus` and `without` give others.
    """

    held: Mapping[str, Held] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many labels of each name wait."""
        return {name: len(held.seen) for name, held in self.held.items()}

    def plus(self, names: Sequence[str], rows: NDArray[np.float32], seen: Ints) -> "Newcomers":
        """With n more labels, whose rows are (n, width)."""
        held = dict(self.held)
        for index, name in enumerate(names):
            own = Held(rows[index : index + 1], seen[index : index + 1])
            before = held.pop(name, None)
            if before is not None:
                both = np.concatenate([before.rows, own.rows])
                own = Held(both, np.concatenate([before.seen, own.seen]))
            held[name] = own
        return Newcomers(dict(list(held.items())[-_MOST:]))

    def without(self, name: str) -> "Newcomers":
        """It is a class now."""
        return Newcomers({other: held for other, held in self.held.items() if other != name})

    def state(self) -> State:
        """Nothing where none waits: the bits of other models' states do not change."""
        if not self.held:
            return {}
        return {
            "names": packed(list(self.held)),
            "counts": np.array(list(self.counts.values())),
            "rows": np.concatenate([held.rows for held in self.held.values()]),
            "seen": np.concatenate([held.seen for held in self.held.values()]),
        }

    @classmethod
    def loaded(cls, state: Mapping[str, NDArray[Any]]) -> "Newcomers":
        """Those that gave this state."""
        if not state:
            return cls()
        ends = np.cumsum(state["counts"])[:-1]
        parts = (np.split(state[name], ends) for name in ("rows", "seen"))
        several = zip(unpacked(state["names"]), *parts, strict=True)
        return cls({name: Held(rows, seen) for name, rows, seen in several})


def packed(names: Sequence[str]) -> NDArray[np.uint8]:
    """Texts as an array."""
    return np.frombuffer(json.dumps(list(names)).encode(), np.uint8)


def unpacked(array: NDArray[np.uint8]) -> list[str]:
    """What `packed` made an array of."""
    return list(json.loads(array.tobytes()))
