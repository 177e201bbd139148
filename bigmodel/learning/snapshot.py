"""What is published: a learner at one moment, which never changes and may be read by any thread."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.learning.arrays import (
    FLOOR,
    Floats,
    Ints,
    State,
    changed,
    log_softmax,
    prefixed,
    under,
)
from bigmodel.learning.calibration import Calibration
from bigmodel.learning.experts import Expert
from bigmodel.learning.lift import Features, Lift
from bigmodel.learning.memo import SERVED, Memos
from bigmodel.learning.mixer import Mixer
from bigmodel.learning.newcomers import packed, unpacked

LAGS = 64  # labels that a row may know
_HISTORY = 4096  # labels that are kept, for rows that were answered so many labels ago


@dataclass(frozen=True)
class Snapshot:
    """Version `version`, after `labels` labels; `history` (m,) are the last of them.

    `names` are those of the experts, `lags` is how many known labels they read; `classes` is 0
    for a regression. The last classes are those that were `added` since the model was trained.
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
    added: tuple[str, ...] = ()

    def answer(self, rows: NDArray[np.float32]) -> tuple[Floats, Memos]:
        """Log probabilities (n, K), or standardised values (n, 1), and what to log of them."""
        seen = np.full(len(rows), self.labels)
        features = self.features(rows, seen)
        votes = self.votes(features)
        answers = self._answers(votes)
        given = np.ascontiguousarray(votes.transpose(1, 0, 2))
        return answers[:, SERVED], Memos(rows, given, answers, seen, features)

    def predict(self, rows: NDArray[np.float32]) -> Floats:
        """The answers alone."""
        return self.mixed(self.votes(self.features(rows, np.full(len(rows), self.labels))))

    def features(self, rows: NDArray[np.float32], seen: Ints) -> Features:
        """What the experts see of rows that were answered after `seen` (n,) labels."""
        return self.lift(rows, self._known(seen))

    def votes(self, features: Features) -> Floats:
        """What each expert says, (E, n, K): log probabilities, or values."""
        said = np.stack([expert.predict(features) for expert in self.experts])
        return log_softmax(said) if self.classes else said

    def mixed(self, votes: Floats) -> Floats:
        """One answer (n, K) of many (E, n, K)."""
        return self._calibrated(self.mixer.answer(votes))

    def _answers(self, votes: Floats) -> Floats:
        """(n, 3, K): the answers by hedge, by stacking, and as they are served."""
        both = self.mixer.both(votes)
        return np.stack([*both, self._calibrated(both[self.mixer.stacks])], axis=1)

    def _calibrated(self, answer: Floats) -> Floats:
        return self.calibration.answer(answer) if self.classes else answer

    def _known(self, seen: Ints) -> Ints:
        """The labels that were known after `seen` (n,) labels: (n, lags), newest first, -1 none."""
        held = len(self.history)
        if not self.classes or not held:
            return np.full((len(seen), self.lags), -1)
        places = (seen - 1 - self.labels + held)[:, None] - np.arange(self.lags)
        known = self.history.take(places, mode="clip")
        known[(places < 0) | (places >= held)] = -1
        return np.asarray(known)

    def remembering(self, labels: NDArray[Any]) -> "Snapshot":
        """The same with these labels known."""
        if not len(labels):
            return self
        history = np.concatenate([self.history, labels])[-_HISTORY:]
        return changed(self, history=history, labels=self.labels + len(labels))

    def grown(self, name: str) -> "Snapshot":
        """The same with one more class, the last."""
        experts = [expert.copy() for expert in self.experts]
        for expert in experts:
            expert.grow(self.classes + 1)
        added = (*self.added, name)
        return changed(self, experts=tuple(experts), classes=self.classes + 1, added=added)

    def joined(self, name: str, expert: Expert) -> "Snapshot":
        """The same with one more expert, the last."""
        experts = (*self.experts, expert.copy())
        return changed(self, names=(*self.names, name), experts=experts, mixer=self.mixer.added())

    def completed(self, memos: Memos) -> Memos:
        """With the votes of every expert on every class: those that were not given are made now."""
        votes = memos.votes
        whole = votes.shape[1:] == (len(self.experts), self.classes or 1)
        if whole and np.isfinite(votes).all() and np.isfinite(memos.answers).all():
            return memos
        now = self.votes(self.features(memos.rows, memos.seen))
        said = self._filled(votes, now.transpose(1, 0, 2))
        mixed = self._answers(said.transpose(1, 0, 2))
        return memos._replace(votes=said, answers=self._filled(memos.answers, mixed))

    @staticmethod
    def _filled(given: NDArray[Any], now: Floats) -> Floats:
        """What was given, (n, e, k); in place of what is missing or not finite that of `now`, but
        later classes were unlikely then.
        """
        full = np.full(now.shape, np.nan)
        e, k = min(given.shape[1], now.shape[1]), min(given.shape[2], now.shape[2])
        full[:, :e, :k] = given[:, :e, :k]
        full[:, :e, k:] = FLOOR
        there = np.isfinite(full).all(axis=2, keepdims=True)
        return np.where(there, full, now)

    def state(self) -> State:
        """Arrays by name; without the lift, which all versions share."""
        numbers = [self.version, self.labels, self.classes]
        found: State = {
            "counters": np.array(numbers, dtype=np.int64),
            "history": self.history,
            "sharpness": np.array([self.calibration.sharpness]),
            **prefixed("mixer", self.mixer.state()),
        }
        if self.added:  # else the bits are those of before there could be any
            found["added"] = packed(self.added)
        for name, expert in zip(self.names, self.experts, strict=True):
            found |= prefixed(f"expert/{name}", expert.state())
        return found

    def loaded(self, state: State) -> "Snapshot":
        """The version that gave this state; its experts have been started."""
        version, labels, _ = state["counters"].tolist()
        grown = self
        for name in unpacked(state["added"]) if "added" in state else []:
            grown = grown.grown(name)
        experts = [expert.copy() for expert in grown.experts]
        for name, expert in zip(self.names, experts, strict=True):
            expert.load_state(under(f"expert/{name}", state))
        return changed(
            grown,
            version=version,
            labels=labels,
            experts=tuple(experts),
            mixer=self.mixer.loaded(under("mixer", state)),
            calibration=changed(self.calibration, sharpness=float(state["sharpness"][0])),
            history=state["history"],
        )
