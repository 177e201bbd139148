"""The learner: it owns the state, learns block by block, and publishes what it has become.

One thread calls `block`; any thread reads `live` and asks it. Nothing that was published is ever
changed: a block works on new arrays, and its last act is to store one reference.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bigmodel.errors import UserError
from bigmodel.learning.adwin import Adwin
from bigmodel.learning.arrays import FLOOR, State, prefixed, under
from bigmodel.learning.challengers import Challengers
from bigmodel.learning.experts import Expert, Frozen, RecentLabels, ReplayMLPs, Shape
from bigmodel.learning.layout import Layout
from bigmodel.learning.lift import Features
from bigmodel.learning.memo import Memos
from bigmodel.learning.pending import Pending
from bigmodel.learning.prequential import Prequential
from bigmodel.learning.settings import Learning
from bigmodel.learning.sieve import Sieve, losses_of
from bigmodel.learning.snapshot import LAGS, Snapshot


class Events(NamedTuple):
    """n labelled rows, in the order in which their labels came.

    `memos` are what `Snapshot.answer` gave, `labels` (n,) codes (int64) or standardised values.
    `sources` say who gave the labels; `audited` (n,) which of them somebody has checked.
    """

    memos: Memos
    labels: NDArray[Any]
    sources: tuple[str, ...] | None = None
    audited: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Report:
    """What a block did: the `version` that it led to, and how many of its rows were `learnt`.

    `anchored` rows went to the anchor; `refused` counts the others by reason. `vetoed` says that
    the last good version was published again, `drifted` that the experts were made to forget.
    """

    version: int
    learnt: int = 0
    anchored: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    vetoed: bool = False
    drifted: bool = False


class Learner:
    """Learns from labels as `settings` say, on rows as `layout` says.

    `classes` is how many there are at first, 0 for a regression. `warm` has to come before all
    else, or `load_state`. `live` is what is published; `quality` are the figures of it.
    """

    live: Snapshot

    def __init__(self, settings: Learning, layout: Layout, classes: int) -> None:
        self.settings, self.layout = settings, layout
        taken = settings.taken
        self.live = self.good = Snapshot(
            version=0,
            labels=0,
            classes=classes,
            lift=replace(settings.lift),
            names=tuple(taken),
            experts=tuple(expert.copy() for expert in taken.values()),
            mixer=settings.mixer.started(len(taken)),
            calibration=settings.calibration,
            history=np.zeros(0, dtype=np.int64 if classes else np.float64),
            lags=LAGS if any(isinstance(e, RecentLabels) for e in taken.values()) else 1,
        )
        self.shape = Shape(classes, 0, 0, 0, 0)
        self.adwin = Adwin(settings.drift.delta) if settings.drift else None
        self.sieve = Sieve.of(settings.guard, settings.seed)
        self.quality = Prequential()
        self.pending = Pending.of(layout.width, self.live.history)
        self.challengers = Challengers(settings.challenging)
        self._frozen = [isinstance(expert, Frozen) for expert in taken.values()].index(True)

    def warm(self, rows: NDArray[np.float32], labels: NDArray[Any], *, fit: int) -> None:
        """Fit the lift on the first `fit` rows; then the experts learn all of them, in order.

        The mixer learns from the rows after the first `fit`: the frozen network was trained on
        those, and would seem better than it is.
        """
        live = self.live
        live.lift.fit(rows[:fit], self.layout, self.settings.seed)
        features = live.features(rows[:fit], np.zeros(fit, dtype=np.int64))
        raw, inputs, lift, known = (part.shape[1] for part in features[1:])
        self.shape = Shape(live.classes, raw, inputs, lift, known, self.settings.seed)
        for expert in live.experts:
            expert.start(self.shape)
            if isinstance(expert, ReplayMLPs):
                expert.warm(features, labels[:fit])
        self.challengers.start(self.shape)
        size = max(16, self.settings.block)
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            _, memos = self.live.answer(rows[part])
            self._learn(self.live, Events(memos, labels[part]), mixes=start >= fit)
        self.good = self.live

    def block(self, events: Events) -> Report:
        """Learn n labels and publish; returns what was done.

        Raises UserError when the events are no rows of this model: then nothing has changed.
        """
        self._check(events)
        live, sieve = self.live, self.sieve.copy()
        if live.classes and events.labels.max() >= live.classes:
            live = live.grown(int(events.labels.max()) + 1)
            self.good = self.good.grown(live.classes)
        events = events._replace(memos=_complete(events.memos, live))
        votes = np.asarray(events.memos.votes, dtype=np.float64).transpose(1, 0, 2)
        losses = losses_of(live.mixed(votes), events.labels, live.classes)
        beyond = live.lift.beyond(events.memos.rows)
        learnt, anchored, refused = sieve.sorted(events.sources, events.audited, beyond, losses)
        sieve.keep(events.memos.rows[anchored], events.labels[anchored])
        self.sieve = sieve
        kept = live.remembering(events.labels[anchored])
        drifted = vetoed = False
        if learnt.any():
            chosen = events.memos.where(learnt)
            after, drifted, vetoed = self._learn(live, Events(chosen, events.labels[learnt]))
            kept = after.remembering(events.labels[anchored])
        self.live = replace(kept, version=live.version + 1)
        return Report(
            self.live.version, int(learnt.sum()), int(anchored.sum()), refused, vetoed, drifted
        )

    def _check(self, events: Events) -> None:
        memos, labels = events.memos, events.labels
        if memos.rows.shape != (len(labels), self.layout.width) or not len(labels):
            raise UserError(
                f"learning: rows of shape {memos.rows.shape} with {len(labels)} labels; "
                f"give (n, {self.layout.width}) and n labels, n > 0"
            )
        if not np.isfinite(memos.rows).all() or not np.isfinite(labels).all():
            raise UserError("learning: a row or a label is not a finite number")
        if self.live.classes and (labels.dtype.kind != "i" or labels.min() < 0):
            raise UserError("learning: labels are class codes: whole numbers from 0")

    def _learn(
        self, live: Snapshot, events: Events, *, mixes: bool = True
    ) -> tuple[Snapshot, bool, bool]:
        """What comes of `live`; whether the errors have become more; whether it was vetoed."""
        memos, labels = events.memos, events.labels
        features = live.features(memos.rows, memos.seen)
        after, drifted = self._mixed(live, events, features) if mixes else (live, False)
        if len(self.challengers):
            mixture = live.mixed(live.votes(features))
            self.challengers.judge(features, mixture, labels, live.classes)
        experts = [expert.copy() for expert in live.experts]
        if drifted and self.settings.drift:
            for expert in experts:
                expert.forget(self.settings.drift.keep)
        full = self._teach(live, experts, features, events)
        after = replace(after, experts=tuple(experts)).remembering(labels)
        if not full:
            return after, drifted, False
        sound = [
            new if _sound(new) else old for new, old in zip(experts, self.good.experts, strict=True)
        ]
        after = replace(after, experts=tuple(sound))
        if self.sieve.publishes(after, self.good):
            self.good = after
            return after, drifted, False
        return replace(self.good, labels=after.labels, history=after.history), drifted, True

    def _mixed(self, live: Snapshot, events: Events, features: Features) -> tuple[Snapshot, bool]:
        """The mixer and what watches it learn from the votes that were given."""
        votes = np.asarray(events.memos.votes, dtype=np.float64).transpose(1, 0, 2)
        answers, labels = live.mixer.answer(votes), events.labels
        mixer = live.mixer.learned(votes, labels)
        if not live.classes:
            return replace(live, mixer=mixer), False
        served = live.calibration.answer(answers)
        self.quality = self.quality.learned(
            served, votes[self._frozen], features.known[:, 0], labels
        )
        rises = []
        if self.adwin is not None:
            rises = [self.adwin.add(float(wrong)) for wrong in answers.argmax(axis=1) != labels]
        after = replace(live, mixer=mixer, calibration=live.calibration.learned(answers, labels))
        return after, max(rises, default=0.0) > 0

    def _teach(
        self, live: Snapshot, experts: list[Expert], features: Features, events: Events
    ) -> bool:
        """Quick experts learn the block, the others when enough has come: whether they did."""
        for expert in experts:
            if expert.quick:
                expert.learn(features, events.labels)
        waiting = self.pending.plus(events.memos.rows, events.memos.seen, events.labels)
        self.pending = waiting
        if len(waiting.rows) < self.settings.block:
            return False
        if len(waiting.rows) > len(events.labels):
            features = live.features(waiting.rows, waiting.seen)
        for expert in experts:
            if not expert.quick:
                expert.learn(features, waiting.labels)
        self.pending = waiting.none()
        return True

    def state(self) -> State:
        """Everything that the next block depends on; `load_state` of an equal learner takes it."""
        numbers = [getattr(self.shape, name) for name in _SHAPE]
        found: State = {"shape": np.array(numbers, dtype=np.int64)}
        found |= prefixed("lift", self.live.lift.state())
        found |= prefixed("live", self.live.state())
        found |= prefixed("guard", self.sieve.state())
        found |= prefixed("pending", self.pending._asdict())
        if self.good is not self.live:  # what both have is kept once
            own, shared = self.good.state(), self.live.state()
            found |= prefixed("good", {k: a for k, a in own.items() if a is not shared.get(k)})
        if self.adwin is not None:
            found["adwin"] = self.adwin.state()
        if self.quality.sums is not None:
            found["quality"] = self.quality.sums
        return found

    def load_state(self, state: State) -> None:
        """Take back what `state` gave. Raises KeyError or ValueError where it is another's."""
        numbers = dict(zip(_SHAPE, state["shape"].tolist(), strict=True))
        self.shape = Shape(**numbers)
        experts = [expert.copy() for expert in self.live.experts]
        for expert in experts:
            expert.start(self.shape)
        self.challengers.start(self.shape)
        lift = replace(self.live.lift)
        lift.load_state(under("lift", state), self.layout)
        live = replace(self.live, lift=lift, experts=tuple(experts), classes=self.shape.classes)
        shared = under("live", state)
        loaded = live.loaded(shared)
        own = under("good", state)
        self.good = live.loaded(shared | own) if own else loaded
        self.sieve.load_state(under("guard", state))
        self.pending = Pending(**under("pending", state))
        if self.adwin is not None:
            self.adwin.load_state(state["adwin"])
        self.quality = replace(self.quality, sums=state.get("quality"))
        self.live = loaded


_SHAPE = ("classes", "raw", "inputs", "lift", "known", "seed")


def _sound(expert: Expert) -> bool:
    """Whether all its numbers are finite."""
    arrays = (array for array in expert.state().values() if array.dtype.kind == "f")
    return all(np.isfinite(array.sum()) for array in arrays)


def _complete(memos: Memos, live: Snapshot) -> Memos:
    """With the votes of every expert on every class: those that were not given are made now."""
    votes = memos.votes
    if votes.shape[1:] == (len(live.experts), live.classes or 1) and np.isfinite(votes).all():
        return memos
    now = live.votes(live.features(memos.rows, memos.seen)).transpose(1, 0, 2)
    full = np.full(now.shape, np.nan)
    e, k = min(votes.shape[1], now.shape[1]), min(votes.shape[2], now.shape[2])
    full[:, :e, :k] = votes[:, :e, :k]
    full[:, :e, k:] = FLOOR
    given = np.isfinite(full).all(axis=2, keepdims=True)
    return memos._replace(votes=np.where(given, full, now))
