"""Which labels are learnt, which are kept to judge by, and which versions may be published."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.learning.anchor import Anchor
from bigmodel.learning.arrays import FLOOR, Floats, State, changed, prefixed, under
from bigmodel.learning.quarantine import Quarantine
from bigmodel.learning.source_cap import SourceCap

if TYPE_CHECKING:
    from bigmodel.learning.settings import Guard
    from bigmodel.learning.snapshot import Snapshot

Bools = NDArray[np.bool_]


@dataclass
class Sieve:
    """The guard's state. `draws` counts the labels of which some went to the anchor."""

    cap: SourceCap | None
    anchor: Anchor | None
    quarantine: Quarantine | None
    seed: int
    draws: int = 0
    audits: bool = False

    @classmethod
    def of(cls, guard: "Guard", seed: int) -> "Sieve":
        """As the settings say, before the first label."""
        cap = None if guard.cap is None else guard.cap.copy()
        quarantine = None if guard.quarantine is None else guard.quarantine.copy()
        return cls(cap, guard.anchor, quarantine, seed)

    def copy(self) -> "Sieve":
        """Another one, which may go on without this one."""
        cap = None if self.cap is None else self.cap.copy()
        quarantine = None if self.quarantine is None else self.quarantine.copy()
        return changed(self, cap=cap, quarantine=quarantine)

    def sorted(
        self, sources: tuple[str, ...] | None, audited: Bools | None, beyond: Floats, losses: Floats
    ) -> tuple[Bools, Bools, dict[str, int]]:
        """Of n labels: which are learnt, which anchored, and how many are refused, by reason."""
        n, refused = len(losses), {}
        good = np.ones(n, dtype=np.bool_)
        if self.cap is not None and sources is not None:
            good = np.array([self.cap.takes(source) for source in sources])
            refused["source"] = int((~good).sum())
        if self.quarantine is not None:
            passed = self.quarantine.passes(beyond, losses)
            refused["quarantine"] = int((good & ~passed).sum())
            good &= passed
        anchored = good & self._drawn(audited, n)
        return good & ~anchored, anchored, {why: count for why, count in refused.items() if count}

    def _drawn(self, audited: Bools | None, n: int) -> Bools:
        """Which labels are kept to judge by: the audited ones; without any, a few at random."""
        if self.anchor is None or (self.cap is not None and self.cap.active < 2):
            return np.zeros(n, dtype=np.bool_)  # whom should a single source be guarded against?
        if audited is not None and audited.any():
            self.audits = True
        if self.audits:
            return np.zeros(n, dtype=np.bool_) if audited is None else audited
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 1, self.draws]))
        self.draws += 1
        return rng.random(n) < self.anchor.fraction

    def keep(self, rows: NDArray[np.float32], labels: NDArray[Any]) -> None:
        """Put these into the anchor."""
        if self.anchor is not None and len(rows):
            self.anchor = self.anchor.added(rows, labels.astype(np.float64))

    def publishes(self, candidate: "Snapshot", good: "Snapshot") -> bool:
        """Whether the candidate may follow the last good version."""
        if self.anchor is None or candidate is good:
            return True
        self.anchor, passes = self.anchor.judged(_judge(candidate), _judge(good))
        return passes

    def state(self) -> State:
        """All that the next decisions depend on."""
        found: State = {"counters": np.array([self.draws, self.audits], dtype=np.int64)}
        for name in ("cap", "anchor", "quarantine"):
            part = getattr(self, name)
            if part is not None:
                found |= prefixed(name, part.state())
        return found

    def load_state(self, state: State) -> None:
        """Take back what `state` gave."""
        self.draws, self.audits = int(state["counters"][0]), bool(state["counters"][1])
        if self.cap is not None:
            self.cap.load_state(under("cap", state))
        if self.quarantine is not None:
            self.quarantine.load_state(under("quarantine", state))
        if self.anchor is not None:
            self.anchor = self.anchor.loaded(under("anchor", state))


def losses_of(answers: Floats, labels: NDArray[Any], classes: int) -> Floats:
    """The log loss of each row, (n,), or half its squared error."""
    if classes:
        rows = np.arange(len(labels))
        return np.asarray(-np.maximum(answers[rows, labels.astype(np.int64)], 2 * FLOOR))
    return np.asarray(0.5 * (answers[:, 0] - labels) ** 2)


def _judge(snapshot: "Snapshot") -> Any:
    def losses(rows: NDArray[np.float32], labels: Floats) -> Floats:
        return losses_of(snapshot.predict(rows), labels, snapshot.classes)

    return losses
