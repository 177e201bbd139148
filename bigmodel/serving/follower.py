"""Brings what answers in this process to what the registry says, while requests go on.

Every process that serves follows the registry on its own, several times a second, so that it does
not matter by whom or where a state was changed. New versions are loaded beside the event loop; one
that may not answer changes nothing but what is told of it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from bigmodel.errors import BigmodelError
from bigmodel.serving.collect import Collector
from bigmodel.serving.loader import Loader
from bigmodel.serving.metrics import Metrics
from bigmodel.serving.model import Model
from bigmodel.serving.registry.catalog import Registry
from bigmodel.serving.registry.state import State
from bigmodel.serving.slot import Routing, Slot

_EVERY = 0.25  # seconds between two looks
_AGAIN = 30.0  # seconds until a version that could not be loaded is tried again
_log = logging.getLogger(__name__)


class Follower:
    """Keeps `slots`, by the names of models, as `registry` wants them."""

    def __init__(
        self, registry: Registry, loader: Loader, collector: Collector, metrics: Metrics
    ) -> None:
        self.registry, self._loader = registry, loader
        self._collector, self._metrics = collector, metrics
        self.slots: dict[str, Slot] = {}
        self._ready: dict[tuple[str, str], Model] = {}  # loaded, by name and version
        self._problems: dict[tuple[str, str], tuple[str, float]] = {}  # and when to try again
        self._stamps: dict[str, object] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._task: asyncio.Task[None] | None = None

    def first(self) -> None:
        """Load what the registry has, before the first request."""
        for name in self.registry.models():
            with suppress(BigmodelError):  # told by `_wanted`
                self._stamps[name] = self.registry.storage.stamp(name)
                self._publish(name, self._wanted(name))

    async def start(self) -> None:
        """From now on follow it."""
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """No more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def change(
        self, name: str, versions: Sequence[str], change: Callable[[State], State], force: bool
    ) -> State:
        """Load `versions`, then replace the state, then let it be so here; returns the state.

        Raises UserError or BigmodelError, with nothing changed, when one of them may not answer.
        """
        async with self._lock(name):
            try:
                for version in versions:
                    await asyncio.to_thread(self._load, name, version, force)
                state = await asyncio.to_thread(self.registry.edit, name, change)
                self._publish(name, await asyncio.to_thread(self._wanted, name))
            finally:
                self._drop_unused(name)
            return state

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            try:
                for name in await asyncio.to_thread(self._changed):
                    async with self._lock(name):
                        self._publish(name, await asyncio.to_thread(self._wanted, name))
                        self._drop_unused(name)
            except BigmodelError as error:
                _log.error("%s", error)
            except Exception:  # noqa: BLE001  a mistake of ours must not end the following
                _log.exception("the registry could not be followed")

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _changed(self) -> list[str]:
        """The models whose state is another one, or that have a version to try again."""
        now, found = time.monotonic(), []
        again = {name for (name, _), (_, when) in list(self._problems.items()) if when <= now}
        for name in self.registry.models():
            stamp = self.registry.storage.stamp(name)
            if stamp != self._stamps.get(name) or name in again:
                self._stamps[name] = stamp
                found.append(name)
        return found

    def _wanted(self, name: str) -> Routing | None:
        """What should answer, loaded, as far as it may; None when nothing has to change."""
        state = self.registry.state(name)
        slot = self.slots.get(name)
        stable = self._try(name, state.stable, state)
        if stable is None and slot is not None:
            stable = slot.model
        if stable is None:  # the process is new: what answered before is better than nothing
            before = (self._try(name, version, state) for version in reversed(state.previous))
            stable = next(filter(None, before), None)
        if stable is None:
            return None
        canary, shadow = (self._try(name, v, state, stable) for v in (state.canary, state.shadow))
        labelled = set(state.labels.values())
        for known in list(self._problems):
            if known[0] == name and known[1] not in labelled:
                self._problems.pop(known)
        problems = {
            v: why for (model, v), (why, _) in list(self._problems.items()) if model == name
        }
        return Routing(stable, canary, shadow, state, problems)

    def _try(
        self, name: str, version: str | None, state: State, stable: Model | None = None
    ) -> Model | None:
        """The version, loaded; None, and why is noted, when it may not answer."""
        if version is None:
            return None
        known = (name, version)
        why, when = self._problems.get(known, ("", 0.0))
        if known not in self._ready and when > time.monotonic():
            return None
        try:
            return self._load(name, version, version in state.forced, stable)
        except BigmodelError as error:
            told = "; ".join(error.lines)
            if told != why:
                _log.error("%s", told)
            self._problems[known] = (told, time.monotonic() + _AGAIN)
            return None

    def _load(self, name: str, version: str, force: bool, stable: Model | None = None) -> Model:
        known = (name, version)
        if known not in self._ready:
            slot = self.slots.get(name)
            if stable is None and slot is not None:
                stable = slot.model
            self._ready[known] = self._loader.load(name, version, stable, force)
            self._problems.pop(known, None)
        return self._ready[known]

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
            self.slots[name] = Slot(routing)
        else:
            for model in slot.publish(routing):
                self._ready.pop((name, model.version), None)
                self._metrics.retires(name, model.version)
        if before != routing.stable.version:
            _log.info("%s: %s answers", name, routing.stable.version[:12])

    def _drop_unused(self, name: str) -> None:
        """Let versions go that were loaded, but are not to answer after all."""
        slot = self.slots.get(name)
        used = () if slot is None else slot.versions
        for known, model in list(self._ready.items()):
            if known[0] == name and model not in used:
                self._ready.pop(known)
                model.retire()
