"""Brings what answers in this process to what the registry says, while requests go on.

Every process that serves follows the registry on its own, several times a second, so that it does
not matter by whom or where a state was changed. New versions are loaded beside the event loop; one
that may not answer changes nothing but what is told of it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from bigmodel.errors import BigmodelError
from bigmodel.serving.capacity import Capacity
from bigmodel.serving.collect import Collector
from bigmodel.serving.metrics import Metrics
from bigmodel.serving.model import Model
from bigmodel.serving.registry.catalog import Registry
from bigmodel.serving.registry.state import State
from bigmodel.serving.settings import Rollback
from bigmodel.serving.shelf import Shelf
from bigmodel.serving.slot import Routing, Slot
from bigmodel.serving.traffic.comparison import Comparison
from bigmodel.serving.traffic.evidence import Criterion
from bigmodel.serving.traffic.judge import Judge, in_time
from bigmodel.serving.traffic.ledger import Ledger
from bigmodel.serving.traffic.shadow import Shadow

_log = logging.getLogger(__name__)


class Follower:
    """Keeps `slots`, by the names of models, as `registry` wants them."""

    def __init__(
        self,
        registry: Registry,
        shelf: Shelf,
        collector: Collector,
        metrics: Metrics,
        limits: Rollback,
        shadow: Shadow,
        capacity: Capacity,
        ledger: Ledger,
    ) -> None:
        self.registry, self._shelf, self._capacity = registry, shelf, capacity
        self._limits, self._shadow, self._ledger = limits, shadow, ledger
        self._collector, self._metrics = collector, metrics
        self.slots: dict[str, Slot] = {}
        self._stamps: dict[str, object] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._task: asyncio.Task[None] | None = None
        self._acts: set[asyncio.Task[None]] = set()

    def first(self) -> None:
        """Load what the registry has, before the first request."""
        for name in self.registry.models():
            try:
                self._stamps[name] = self.registry.storage.stamp(name)
                self._publish(name, self._wanted(name))
            except BigmodelError as error:  # the others can be served all the same
                _log.error("%s", error)

    async def start(self) -> None:
        """From now on follow it."""
        self._capacity.start()
        await self._ledger.start(self.slots)
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """No more."""
        self._shadow.close()
        self._capacity.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._ledger.close()

    async def change(
        self, name: str, versions: Sequence[str], change: Callable[[State], State], force: bool
    ) -> State:
        """Load `versions`, then replace the state, then let it be so here; returns the state.

        Raises UserError or BigmodelError, with nothing changed, when one of them may not answer.
        """
        async with self._lock(name):
            try:
                stable = self.slots[name].model if name in self.slots else None
                for version in versions:
                    await self._capacity.run(self._shelf.load, name, version, stable, force)
                state = await asyncio.to_thread(self.registry.edit, name, change)
                self._publish(name, await self._capacity.run(self._wanted, name))
            finally:
                self._drop(name)
            return state

    async def _run(self) -> None:
        said = ""
        while True:
            await asyncio.sleep(self.registry.storage.every)
            try:
                changed, told = await asyncio.to_thread(self._changed), ""
            except Exception as error:  # noqa: BLE001  out of reach: we go on as we are
                changed, told = [], f"{self.registry}: cannot be followed: {error}"
            if told and told != said:
                _log.error("%s", told)
            said = told
            for name in changed:
                await self._bring(name)

    async def _bring(self, name: str) -> None:
        """Let the model be as its state says, as far as that can be."""
        try:
            async with self._lock(name):
                self._publish(name, await self._capacity.run(self._wanted, name))
                self._drop(name)
        except BigmodelError as error:
            _log.error("%s", error)
        except Exception:  # noqa: BLE001  a mistake of ours must not end the following
            _log.exception("%s: its state could not be followed", name)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _changed(self) -> list[str]:
        """The models whose state is another one, or that have a version to try again."""
        found, again = [], self._shelf.due()
        for name in self.registry.models():
            stamp = self.registry.storage.stamp(name)
            if stamp != self._stamps.get(name) or name in again or self._tried(name):
                self._stamps[name] = stamp
                found.append(name)
        return found

    def _tried(self, name: str) -> bool:
        """Whether a version is only kept for a trial that is over."""
        slot = self.slots.get(name)
        if slot is None or slot.routing.previous is None or slot.judge is None:
            return False
        return not slot.judge.on_trial

    def _previous(self, name: str, stable: Model, state: State) -> Model | None:
        """The version that a promoted one is compared with, while it is on trial."""
        if stable.version != state.stable or not state.previous or not in_time(state):
            return None
        slot = self.slots.get(name)
        known = slot is not None and slot.model is stable
        if known and slot is not None and slot.judge is not None and not slot.judge.on_trial:
            return None
        return self._shelf.attempt(name, state.previous[-1], None, state)

    def _wanted(self, name: str) -> Routing | None:
        """What should answer, loaded, as far as it may; None when nothing has to change."""
        state, slot = self.registry.state(name), self.slots.get(name)
        now = None if slot is None else slot.model
        stable = self._shelf.attempt(name, state.stable, now, state) or now
        if stable is None:  # the process is new: what answered before is better than nothing
            before = (
                self._shelf.attempt(name, version, None, state)
                for version in reversed(state.previous)
            )
            stable = next(filter(None, before), None)
        if stable is None:
            return None
        canary, shadow = (
            self._shelf.attempt(name, version, stable, state)
            for version in (state.canary, state.shadow)
        )
        problems = self._shelf.problems(name, state.labels.values())
        previous = self._previous(name, stable, state)
        return Routing(stable, canary, shadow, previous, state, problems)

    def _publish(self, name: str, routing: Routing | None) -> None:
        """One reference is stored: requests after it see all of the change, those before none."""
        if routing is None:
            return
        slot = self.slots.get(name)
        known = () if slot is None else slot.versions
        for model in routing.models:
            if model not in known:
                self._collector.serves(model.name, model.version, model.schema)
                self._metrics.serves(model.name, model.version)
        before = None if slot is None else slot.model.version
        if slot is None:
            judge = Judge(self._limits, self._shadow, self._acting(name), self._ledger.press)
            self.slots[name] = Slot(routing, judge)
        else:
            for model in slot.publish(routing):
                self._metrics.retires(name, model.version)
        if before != routing.stable.version:
            _log.info("%s: %s answers", name, routing.stable.version[:12])

    def _acting(self, name: str) -> Callable[[Comparison, Criterion], None]:
        def act(comparison: Comparison, criterion: Criterion) -> None:
            task = asyncio.ensure_future(self._take_back(name, comparison, criterion))
            self._acts.add(task)
            task.add_done_callback(self._acts.discard)

        return act

    async def _take_back(self, name: str, comparison: Comparison, criterion: Criterion) -> None:
        """A version is worse: as a canary it ends, as the stable one the one before answers."""
        judged, reference = comparison.episode.judged, comparison.episode.reference
        acted = False
        reason = f"{judged[:12]} was taken back: {comparison.reason(criterion)}"

        def change(state: State) -> State:
            nonlocal acted
            acted = True
            if state.canary == judged:
                return state.without_canary(reason)
            if state.stable == judged and state.previous[-1:] == (reference,):
                return state.rolled_back(reason)
            acted = False
            return state  # another process was faster, or an operator

        try:
            await self.change(name, [reference], change, force=True)
            if acted:
                _log.warning("%s: %s", name, reason)
        except BigmodelError as error:
            _log.error("%s: %s could not be taken back: %s", name, judged[:12], error)

    def _drop(self, name: str) -> None:
        """Let versions go that do not answer any more, or are not to answer after all."""
        self._shelf.keep(name, self.slots[name].versions if name in self.slots else ())
