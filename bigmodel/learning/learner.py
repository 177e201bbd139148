"""The learner: it owns the state, learns block by block, and publishes what it has become.

One thread calls `block`; any thread reads `live` and asks it. Nothing that was published is ever
changed: a block works on new arrays, and its last act is to store one reference.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.learning.adwin import Adwin
from bigmodel.learning.arrays import Ints, State, changed, prefixed, under
from bigmodel.learning.challengers import Challengers
from bigmodel.learning.events import Events, Report
from bigmodel.learning.experts import Expert, Frozen, RecentLabels, ReplayMLPs, Shape
from bigmodel.learning.layout import Layout
from bigmodel.learning.lift import Features
from bigmodel.learning.memo import HEDGED, SERVED, STACKED, Memos
from bigmodel.learning.newcomers import Newcomers, packed, unpacked
from bigmodel.learning.pending import Pending
from bigmodel.learning.prequential import Prequential, PrequentialValues
from bigmodel.learning.settings import Learning
from bigmodel.learning.sieve import Bools, Sieve, losses_of
from bigmodel.learning.snapshot import LAGS, Snapshot


class Learner:
    """Learns from labels as `settings` say, on rows as `layout` says.

    `classes` is how many there are at first, 0 for a regression. `warm` has to come before all
    else, or `load_state`. `live` is what is published; `quality` are the figures of it.
    """

    live: Snapshot

    def __init__(self, settings: Learning, layout: Layout, classes: int) -> None:
        self.settings, self.layout = settings, layout
        taken = settings.taken
        everybody = (taken | settings.challenging).values()
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
            lags=LAGS if any(isinstance(e, RecentLabels) for e in everybody) else 1,
        )
        self.shape = Shape(classes, 0, 0, 0, 0)
        self.adwin = Adwin(settings.drift.delta) if settings.drift else None
        self.sieve = Sieve.of(settings.guard, settings.seed)
        self.quality: Prequential | PrequentialValues
        self.quality = Prequential() if classes else PrequentialValues()
        self.pending = Pending.of(layout.width, self.live.history)
        self.newcomers = Newcomers()
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
            self.live, *_ = self._learn(self.live, Events(memos, labels[part]), mixes=start >= fit)
        self.good = self.live

    def block(self, events: Events) -> Report:
        """Learn n labels and publish; returns what was done.

        Raises UserError when the events are no rows of this model: then nothing has changed.
        """
        live, names = self.live, len(self.live.names)
        events.check(self.layout.width, live.classes)
        events = events.coded(live.added, self.shape.classes)
        live = self._joined(live)
        events = events._replace(memos=live.completed(events.memos))
        learnt, anchored, held, refused = self._sorted(live, events)
        chosen = events if learnt.all() else events.where(learnt)
        if held.any():
            live, chosen = self._welcomed(live, chosen, events.where(held))
        after, drifted, vetoed = live, False, False
        if len(chosen.labels):
            after, drifted, vetoed = self._learn(live, chosen)
        kept = after.remembering(events.labels[anchored])
        added = live.added[len(self.live.added) :]
        self.live = changed(kept, version=live.version + 1)
        counts = (len(chosen.labels), int(anchored.sum()), int(held.sum()))
        joined = live.names[names:]
        return Report(self.live.version, *counts, refused, added, vetoed, drifted, joined)

    def _joined(self, live: Snapshot) -> Snapshot:
        """With the challengers that have become better, in the mixture from now on."""
        for name, expert in self.challengers.join().items():
            live, self.good = live.joined(name, expert), self.good.joined(name, expert)
        return live

    def _sorted(self, live: Snapshot, events: Events) -> tuple[Bools, Bools, Bools, dict[str, int]]:
        """Which labels are learnt, anchored, and held until more of their name have come, (n,)
        each; how many are refused, by reason.
        """
        memos, labels, sieve = events.memos, events.labels, self.sieve.copy()
        strange, losses = events.strange, losses_of(memos.answers[:, SERVED], labels, live.classes)
        losses[strange] = 0.0  # nobody could expect them
        beyond = live.lift.beyond(memos.rows)
        learnt, anchored, refused = sieve.sorted(events.sources, events.audited, beyond, losses)
        held = strange & (learnt | anchored)
        learnt, anchored = learnt & ~strange, anchored & ~strange
        sieve.keep(memos.rows[anchored], labels[anchored])
        self.sieve = sieve
        return learnt, anchored, held, refused

    def _welcomed(self, live: Snapshot, chosen: Events, strange: Events) -> tuple[Snapshot, Events]:
        """Let labels of no class wait; a name of which there are enough is a class from now on,
        and its labels are learnt with those that were `chosen`.
        """
        assert strange.names is not None
        limits, waiting = self.settings.new_classes, self.newcomers
        if len(live.added) < limits.most:
            waiting = waiting.plus(strange.names, strange.memos.rows, strange.memos.seen)
        for name, count in waiting.counts.items():
            if count >= limits.rows and len(live.added) < limits.most:
                live, self.good = live.grown(name), self.good.grown(name)
                chosen = chosen.plus(*waiting.held[name], live.classes - 1)
                waiting = waiting.without(name)
        self.newcomers = waiting if len(live.added) < limits.most else Newcomers()
        return live, chosen._replace(memos=live.completed(chosen.memos))

    def _learn(
        self, live: Snapshot, events: Events, *, mixes: bool = True
    ) -> tuple[Snapshot, bool, bool]:
        """What comes of `live`; whether the errors have become more; whether it was vetoed.

        The mixer learns where it `mixes`.
        """
        memos, labels = events.memos, events.labels
        features = memos.features or live.features(memos.rows, memos.seen)
        after, drifted = live, False
        if mixes:
            after, drifted = self._mixed(live, memos, features.known[:, 0], labels)
        if len(self.challengers):
            if mixes:
                mixture = live.mixed(live.votes(features))
                self.challengers.judge(features, mixture, labels, live.classes)
            self.challengers.learn(features, labels)
        experts = [expert.copy() for expert in live.experts]
        if drifted and self.settings.drift:
            for expert in experts:
                expert.forget(self.settings.drift.keep)
        full = self._teach(live, experts, features, events)
        after = changed(after, experts=tuple(experts)).remembering(labels)
        if not full:
            return after, drifted, False
        sound = [
            new if _sound(new) else old for new, old in zip(experts, self.good.experts, strict=True)
        ]
        after = changed(after, experts=tuple(sound))
        if self.sieve.publishes(after, self.good):
            self.good = after
            return after, drifted, False
        return changed(self.good, labels=after.labels, history=after.history), drifted, True

    def _mixed(
        self, live: Snapshot, memos: Memos, last: Ints, labels: NDArray[Any]
    ) -> tuple[Snapshot, bool]:
        """The mixer and what watches it learn; `last` were the labels known then."""
        votes = np.asarray(memos.votes, dtype=np.float64).transpose(1, 0, 2)
        said = np.asarray(memos.answers, dtype=np.float64)
        served = said[:, SERVED]
        self.quality = self.quality.learned(served, votes[self._frozen], last, labels)
        if live.classes:
            wrong = (said.argmax(axis=2) != labels[:, None]).astype(np.float64)
        else:
            wrong = np.minimum(np.abs(said[:, :, 0] - labels[:, None]) / _WRONG, 1.0)
        rise = 0.0 if self.adwin is None else self.adwin.extend(wrong[:, SERVED])
        mixer = live.mixer.learned(votes, wrong[:, :SERVED].sum(axis=0), labels)
        if not live.classes:
            return changed(live, mixer=mixer), rise > 0
        mixed = said[:, STACKED if live.mixer.stacks else HEDGED]
        now = live.calibration.answer(mixed)
        calibration = live.calibration.learned(mixed, now, labels)
        return changed(live, mixer=mixer, calibration=calibration), rise > 0

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
        found |= prefixed("newcomers", self.newcomers.state())
        found |= prefixed("challengers", self.challengers.state())
        joined = self.live.names[len(self.settings.taken) :]
        if joined:
            found["joined"] = packed(joined)
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
        joined = unpacked(state["joined"]) if "joined" in state else ()
        kinds = self.settings.taken | {n: self.settings.challenging[n] for n in joined}
        experts = [expert.copy() for expert in kinds.values()]
        for expert in experts:
            expert.start(self.shape)
        lift = replace(self.live.lift)
        lift.load_state(under("lift", state), self.layout)
        live = changed(
            self.live,
            lift=lift,
            names=tuple(kinds),
            experts=tuple(experts),
            classes=self.shape.classes,
            added=(),
        )
        shared = under("live", state)
        loaded = live.loaded(shared)
        challengers = under("challengers", state)
        self.challengers.load_state(challengers, self.shape, loaded.classes, joined)
        own = under("good", state)
        self.good = live.loaded(shared | own) if own else loaded
        self.sieve.load_state(under("guard", state))
        self.pending = Pending(**under("pending", state))
        self.newcomers = Newcomers.loaded(under("newcomers", state))
        if self.adwin is not None:
            self.adwin.load_state(state["adwin"])
        self.quality = changed(self.quality, sums=state.get("quality"))
        self.live = loaded


_WRONG = 4.0  # standard deviations: a value that is so far off is as wrong as a wrong class
_SHAPE = ("classes", "raw", "inputs", "lift", "known", "seed")


def _sound(expert: Expert) -> bool:
    """Whether all its numbers are finite."""
    arrays = (array for array in expert.state().values() if array.dtype.kind == "f")
    return all(math.isfinite(array.sum()) for array in arrays)
