"""What is published: a learner at one moment, which never changes and may be read by any thread."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.learning.arrays import Floats, Ints, State, prefixed, under
from bigmodel.learning.calibration import Calibration
from bigmodel.learning.experts import Expert
from bigmodel.learning.lift import Features, Lift
from bigmodel.learning.memo import Memos
from bigmodel.learning.mixer import Mixer

LAGS = 64  # labels that a row may know
_HISTORY = 4096  # labels that are kept, for rows that were answered so many labels ago


@dataclass(frozen=True)
class Snapshot:
    """Version `version`, after `labels` labels; `history` (m,) are the last of them.

    `names` are those of the experts, `lags` is how many known labels they read; `classes` is 0
    for a regression.
    """

    version: int
    labels: int
    classes: int
    lift: Lift
    names: tuple[str, ...]
    experts: tuple[Expert, ...]
    mixer: Mixer
    calibration: Calibration
    history: NDArray[Any]
    lags: int = LAGS

    def answer(self, rows: NDArray[np.float32]) -> tuple[Floats, Memos]:
        """Log probabilities (n, K), or standardised values (n, 1), and what to log of them."""
        seen = np.full(len(rows), self.labels)
        votes = self.votes(self.features(rows, seen))
        return self.mixed(votes), Memos(rows, np.ascontiguousarray(votes.transpose(1, 0, 2)), seen)

    def predict(self, rows: NDArray[np.float32]) -> Floats:
        """The answers alone."""
        return self.mixed(self.votes(self.features(rows, np.full(len(rows), self.labels))))

    def features(self, rows: NDArray[np.float32], seen: Ints) -> Features:
        """What the experts see of rows that were answered after `seen` (n,) labels."""
        return self.lift(rows, self._known(seen))

    def votes(self, features: Features) -> Floats:
        """What each expert says, (E, n, K)."""
        return np.stack([expert.predict(features) for expert in self.experts])

    def mixed(self, votes: Floats) -> Floats:
        """One answer (n, K) of many (E, n, K)."""
        answer = self.mixer.answer(votes)
        return self.calibration.answer(answer) if self.classes else answer

    def _known(self, seen: Ints) -> Ints:
        """The labels that were known after `seen` (n,) labels: (n, lags), newest first, -1 none."""
        held = len(self.history)
        if not self.classes or not held:
            return np.full((len(seen), self.lags), -1)
        places = (seen - 1 - self.labels + held)[:, None] - np.arange(self.lags)
        inside = (places >= 0) & (places < held)
        return np.where(inside, self.history[np.clip(places, 0, held - 1)], -1)

    def remembering(self, labels: NDArray[Any]) -> "Snapshot":
        """The same with these labels known."""
        if not len(labels):
            return self
        history = np.concatenate([self.history, labels])[-_HISTORY:]
        return replace(self, history=history, labels=self.labels + len(labels))

    def grown(self, classes: int) -> "Snapshot":
        """The same for so many classes, the new ones last."""
        experts = [expert.copy() for expert in self.experts]
        for expert in experts:
            expert.grow(classes)
        return replace(self, experts=tuple(experts), classes=classes)

    def state(self) -> State:
        """Arrays by name; without the lift, which all versions share."""
        numbers = [self.version, self.labels, self.classes]
        found: State = {
            "counters": np.array(numbers, dtype=np.int64),
            "history": self.history,
            "sharpness": np.array([self.calibration.sharpness]),
            **prefixed("mixer", self.mixer.state()),
        }
        for name, expert in zip(self.names, self.experts, strict=True):
            found |= prefixed(f"expert/{name}", expert.state())
        return found

    def loaded(self, state: State) -> "Snapshot":
        """The version that gave this state; its experts have been started."""
        version, labels, classes = state["counters"].tolist()
        grown = self.grown(classes) if classes != self.classes else self
        experts = [expert.copy() for expert in grown.experts]
        for name, expert in zip(self.names, experts, strict=True):
            expert.load_state(under(f"expert/{name}", state))
        return replace(
            grown,
            version=version,
            labels=labels,
            experts=tuple(experts),
            mixer=self.mixer.loaded(under("mixer", state)),
            calibration=replace(self.calibration, sharpness=float(state["sharpness"][0])),
            history=state["history"],
        )
