"""No source of labels may outweigh the others."""

import hashlib
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Gt, Lt

from bigmodel.learning.arrays import State

__all__ = ["SourceCap"]

_WINDOW = 500  # labels: a source that gave none of them is not active
_SHARE = 2.0  # a source may have so many times its fair share
_MOST = 4096  # sources that are remembered


@dataclass(kw_only=True)
class SourceCap:
    """Each source has a weight that fades by `decay` per label and grows by 1 with its own labels.

    At `cap` its labels are dropped: in the long run it has at most cap * (1 - decay) of them all,
    or twice its fair share where there are few sources; a single one is not limited.
    """

    cap: Annotated[float, Gt(0)] = 4.0
    decay: Annotated[float, Gt(0), Lt(1)] = 0.98
    weights: dict[int, tuple[float, int]] = field(init=False, default_factory=dict)
    clock: int = field(init=False, default=0)

    @property
    def active(self) -> int:
        """How many sources have given one of the last 500 accepted labels."""
        return sum(self.clock - last <= _WINDOW for _, last in self.weights.values())

    def takes(self, source: str) -> bool:
        """Whether the next label of this source is accepted; if so, it is counted."""
        key = _key(source)
        weight, last = self.weights.get(key, (0.0, self.clock))
        weight *= self.decay ** (self.clock - last)
        active = self.active + (key not in self.weights)
        most = max(self.cap, _SHARE / ((1 - self.decay) * active))
        if active > 1 and weight >= most:
            return False
        self.clock += 1
        self.weights.pop(key, None)  # the order of the keys is that of their last labels
        self.weights[key] = (weight * self.decay + 1.0, self.clock)
        if len(self.weights) > _MOST:
            del self.weights[next(iter(self.weights))]
        return True

    def copy(self) -> "SourceCap":
        """Another one with the same weights."""
        other = SourceCap(cap=self.cap, decay=self.decay)
        other.weights, other.clock = dict(self.weights), self.clock
        return other

    def state(self) -> State:
        """Keys, weights, last labels, and the clock."""
        values = self.weights.values()
        return {
            "keys": np.array(list(self.weights), dtype=np.uint64),
            "weights": np.array([weight for weight, _ in values]),
            "last": np.array([last for _, last in values], dtype=np.int64),
            "clock": np.array([self.clock]),
        }

    def load_state(self, state: State) -> None:
        """Take back what `state` gave."""
        entries = zip(*(state[name].tolist() for name in ("keys", "weights", "last")), strict=True)
        self.weights = {key: (weight, last) for key, weight, last in entries}
        self.clock = int(state["clock"][0])


def _key(source: str) -> int:
    return int.from_bytes(hashlib.blake2b(source.encode(), digest_size=8).digest(), "big")
