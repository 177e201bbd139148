"""Several workers behind one listening socket, which stays open while they come and go.

SIGHUP: each worker is replaced, one after another, by a new one that is ready; so changed settings,
bundles and programs are taken up, and no request is lost. SIGTERM and Ctrl-C: all end what they
have begun. A worker that ends by itself is replaced at once, and later and later when that happens
again and again. When the supervisor itself is killed, the workers end, and whoever keeps it running
(systemd, a container) starts it anew.
"""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress

from bigmodel.errors import Interrupted
from bigmodel.serving import accounts
from bigmodel.serving.child import Child
from bigmodel.serving.figures import Snapshot, lasting, merged
from bigmodel.serving.listen import announce, listener, notify
from bigmodel.serving.logs import Log
from bigmodel.serving.settings import Serving

START_SECONDS = 300.0  # for a worker to be ready: its models may come from far away
CALM_SECONDS = 10.0  # a worker that has lived so long did not fail at its start
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a place that fails again is filled again
_LEEWAY = 10.0  # seconds for a worker to end, beyond those for its requests
_log = logging.getLogger(__name__)


def supervise(settings: Serving, command: Sequence[str]) -> int:
    """Have `serving.workers` processes of `command` answer, until a signal; the exit code.

    Raises BigmodelError when the address cannot be had, Interrupted after Ctrl-C.
    """
    listening = listener(settings)
    log = Log()
    log.install()
    try:
        return asyncio.run(Supervisor(settings, command, listening).run())
    finally:
        log.close()


class Supervisor:
    """The workers by their numbers, from 1; `_all` are also those that come or go."""

    def __init__(self, settings: Serving, command: Sequence[str], listening: socket.socket) -> None:
        self._settings, self._command, self._listening = settings, command, listening
        self._files = (listening.fileno(), accounts.memory())
        self._numbers = range(1, settings.workers + 1)
        self._placed: dict[int, Child] = {}
        self._all: set[Child] = set()
        self._watching: set[asyncio.Task[None]] = set()
        self._busy = {number: asyncio.Lock() for number in self._numbers}
        self._pauses = dict.fromkeys(self._numbers, 0.0)
        self._left: Snapshot = []  # what those that have ended had counted
        self._failures, self._code = 0, 1
        self._told, self._ending = asyncio.Event(), asyncio.Event()
        self._interrupted = False

    async def run(self) -> int:
        """Until the end; the exit code, which is that of the first worker where it fails."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, self._told.set)
        code = await self._work()
        if not self._ending.is_set():
            self._end()
        await asyncio.gather(*(self._gone(child) for child in self._all))
        await asyncio.gather(*self._watching)
        if self._interrupted:
            raise Interrupted("interrupted; what was begun is ended")
        return code

    async def _work(self) -> int:
        first = await self._begin(1)
        if first is None or self._ending.is_set():
            return 0 if self._ending.is_set() else self._code
        await asyncio.gather(*(self._fill(number) for number in self._numbers[1:]))
        if not self._ending.is_set():
            announce(first.names or "", self._listening, self._settings)
        while not self._ending.is_set():
            await self._told.wait()
            self._told.clear()
            await self._reload()
        return 0

    def _end(self) -> None:
        """Once: all end what they have begun; again: at once."""
        if not self._ending.is_set():
            notify("STOPPING=1")
        self._ending.set()
        self._told.set()
        self._listening.close()
        for child in self._all:
            child.send(signal.SIGTERM)

    def _interrupt(self) -> None:
        self._interrupted = True
        self._end()

    async def _begin(self, number: int) -> Child | None:
        """Start a worker and wait until it is ready; None when it does not get so far."""
        many = self._settings.workers
        try:
            child = await Child.start(self._command, number, many, self._files, self._figures)
        except OSError as error:  # no memory, too many processes
            _log.error("worker %d cannot be started: %s", number, error.strerror)
            return None
        self._all.add(child)
        if self._ending.is_set():
            child.send(signal.SIGTERM)
        ready = await child.ready(START_SECONDS)
        if ready:
            self._placed[number] = child
        elif child.alive:
            _log.error("worker %d is not ready after %g s: killed", number, START_SECONDS)
            child.send(signal.SIGKILL)
        watching = asyncio.ensure_future(self._watch(child))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)
        if not ready:
            self._code = max(1, await child.ended())
        return child if ready else None

    async def _watch(self, child: Child) -> None:
        """Keep what it has counted when it ends, and fill its place where it should not have."""
        code = await child.ended()
        self._all.discard(child)
        self._left = merged([self._left, lasting(child.figures)])
        number = child.place.number
        if self._ending.is_set() or self._placed.get(number) is not child:
            return
        del self._placed[number]
        self._failures += 1
        calm = time.monotonic() - child.since > CALM_SECONDS
        self._pauses[number] = 0.0 if calm else self._longer(number)
        _log.error("worker %d ended by itself (%s); another one comes", number, _cause(code))
        await self._fill(number)

    async def _fill(self, number: int) -> None:
        """Start a worker in an empty place, again and again until one is ready."""
        async with self._busy[number]:
            while number not in self._placed:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), self._pauses[number])
                if self._ending.is_set():
                    return
                if await self._begin(number) is None and not self._ending.is_set():
                    self._failures += 1
                    pause = self._pauses[number] = self._longer(number)
                    _log.error("worker %d did not start; again in %g s", number, pause)

    def _longer(self, number: int) -> float:
        return min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._pauses[number]))

    async def _reload(self) -> None:
        """Replace the workers, as long as the new ones start."""
        if self._ending.is_set():
            return
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        for number in self._numbers:
            if not await self._replace(number):
                _log.error("the new worker %d did not start: the old ones answer on", number)
                break
            if self._ending.is_set():
                return
        else:
            _log.info("all workers are new")
        notify("READY=1")

    async def _replace(self, number: int) -> bool:
        async with self._busy[number]:
            old = self._placed.get(number)
            new = await self._begin(number)
            if new is None or self._ending.is_set():
                return self._ending.is_set()
            if old is not None:
                old.retire()
                await self._gone(old)
            return True

    async def _gone(self, child: Child) -> None:
        """Wait for the end of a worker that is to end; kill it when it takes too long."""
        limits = self._settings.limits
        try:
            seconds = self._settings.drain_seconds + limits.body_seconds + _LEEWAY
            await asyncio.wait_for(child.ended(), seconds)
        except TimeoutError:
            _log.error("worker %d does not end: killed", child.place.number)
            child.send(signal.SIGKILL)
            await child.ended()

    def _figures(self) -> Snapshot:
        """Those of all workers, also of those that have ended."""
        own = [
            ["bigmodel_workers", "gauge", "Workers that are ready", "sum",
             [["bigmodel_workers", {}, len(self._placed)]]],
            ["bigmodel_worker_failures", "counter", "Workers that ended by themselves", "sum",
             [["bigmodel_worker_failures_total", {}, self._failures]]],
        ]  # fmt: skip
        return merged([own, self._left, *(child.figures for child in self._all)])


def _cause(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
