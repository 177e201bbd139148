"""Which networks are in memory: as many as the limit allows, those used last.

One thread loads, for all: of several requests for a model that is not there, one loads and the
others wait with it. What has to make room is what nobody uses, the least recently used first.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from bigmodel.errors import BigmodelError, UserError
from bigmodel.serving import memory
from bigmodel.serving.admission import Admission
from bigmodel.serving.errors import ApiError
from bigmodel.serving.resident import Resident

_PASSING = 2  # times its file that a network may take beside itself while it is first loaded
_MOMENT = 1.05  # times the limit that may be held for the moment of a load, as it is foreseen
_PAUSE = 0.02  # seconds until one looks again for a network that nobody uses
_log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R", bound=Resident)


class Capacity:
    """Keeps the resident memory of this process within `limit` bytes; None: without a limit.

    Networks of the models `pinned` stay. Requests wait for a network for `deadline` seconds.
    """

    def __init__(
        self, limit: int | None, pinned: Collection[str], deadline: float, admission: Admission
    ) -> None:
        self._limit, self._pinned, self._deadline = limit, frozenset(pinned), deadline
        self._admission = admission
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held: set[Resident] = set()
        self._coming: dict[Resident, asyncio.Task[None]] = {}
        self._base = 0  # bytes of the process without any network

    def start(self) -> None:
        """From now on networks are changed in the running event loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """No more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """What `work` gives, done in the thread that loads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    def first(self, name: str, size: int, load: Callable[[], R]) -> R:
        """What `load` gives, measured and counted; its file has `size` bytes.

        Called in the thread that loads, or before the loop. Raises UserError when it is too large.
        """
        self.make_room(name, size, _PASSING * size)
        loaded = self._measured(load)
        if not self._base and self._limit is not None:  # libraries came with it: once more
            loaded.free()
            memory.give_back()
            self._base = memory.resident()
            self._measure(loaded, loaded.reload)
        loaded.home = self
        self._held.add(loaded)
        try:
            self.make_room(name, 0, 0)  # it may have taken more than its file
        except BigmodelError:
            self._held.discard(loaded)
            raise
        return loaded

    async def bring(self, resident: Resident) -> None:
        """Wait until it is loaded. Raises ApiError 503 when that takes too long or fails."""
        task = self._coming.get(resident)
        if task is None:
            task = self._coming[resident] = asyncio.ensure_future(self.run(self._again, resident))
            task.add_done_callback(lambda _: self._coming.pop(resident, None))
        again = ((b"retry-after", b"1"),)
        try:
            with self._admission.aside():
                async with asyncio.timeout(self._deadline):
                    await asyncio.shield(task)
        except TimeoutError:
            message = "the model is being loaded: try again"
            raise ApiError(503, "model_loading", message, headers=again) from None
        except BigmodelError as error:
            _log.error("%s: %s", resident.name, "; ".join(error.lines))
            message = "the model cannot be loaded at the moment; the service's log says why"
            raise ApiError(503, "model_unavailable", message, headers=again) from None

    def forget(self, resident: Resident) -> None:
        """It is not wanted after all, and nobody has it; in the thread that loads."""
        self._held.discard(resident)
        resident.free()
        memory.give_back()

    def gone(self, resident: Resident) -> None:
        """It was freed for good: what it took goes back to the system."""
        self._held.discard(resident)
        if self._loop is not None:
            self._loop.run_in_executor(None, memory.give_back)

    @property
    def bytes(self) -> int:
        """What the networks take that are loaded."""
        return sum(one.bytes for one in list(self._held) if one.loaded)

    def _again(self, resident: Resident) -> None:
        if not resident.loaded:
            self.make_room(resident.name, resident.bytes, resident.passing)
            self._measure(resident, resident.reload)
            _log.info("%s: %s is in memory again", resident.name, resident.version[:12])

    def _measured(self, load: Callable[[], R]) -> R:
        memory.give_back()
        before = memory.resident()
        loaded = load()
        memory.give_back()
        loaded.bytes = max(loaded.size, memory.resident() - before)
        return loaded

    def _measure(self, resident: Resident, load: Callable[[], None]) -> None:
        """The least of all measurements is the one that others have disturbed least."""
        known = resident.bytes

        def work() -> Resident:
            load()
            return resident

        self._measured(work)
        resident.bytes = max(resident.size, min(known, resident.bytes))

    def make_room(self, name: str, need: int, passing: int) -> None:
        """Free networks until `need` bytes fit into the limit, and those that are `passing` into
        a twentieth more.
        """
        if self._limit is None or not self._base:
            return
        budget = self._limit - self._base
        pinned = sum(one.bytes for one in list(self._held) if self._stays(one))
        if name in self._pinned:
            pinned = 0
        if need > budget - pinned:
            raise UserError(
                f"{name}: too large: takes {need:,} bytes, and serving.memory_limit="
                f"{self._limit} leaves {max(0, budget - pinned):,} for it"
            )
        work = self._evict(need, need + passing, budget)
        if self._loop is None:
            asyncio.run(work)
        else:
            asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stays(self, resident: Resident) -> bool:
        return resident.stays or resident.name in self._pinned

    async def _evict(self, need: int, moment: int, budget: int) -> None:
        """In the event loop: nobody can begin to use a network while it is freed."""
        assert self._limit is not None
        end = asyncio.get_running_loop().time() + self._deadline
        while True:
            counted = self.bytes + need <= budget
            if counted and memory.resident() + moment <= _MOMENT * self._limit:
                return
            free = [r for r in self._held if r.loaded and r.idle and not self._stays(r)]
            if free:
                victim = min(free, key=lambda one: one.used)
                victim.free()
                _log.info("%s: %s leaves the memory", victim.name, victim.version[:12])
                await asyncio.to_thread(memory.give_back)
            elif counted:
                return  # the rest is no network's
            elif asyncio.get_running_loop().time() > end:
                raise BigmodelError("serving.memory_limit: all networks in memory are in use")
            else:
                await asyncio.sleep(_PAUSE)
