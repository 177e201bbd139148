"""One worker process, as its supervisor sees it."""

import asyncio
import math
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import orjson

from bigmodel.serving.figures import Snapshot
from bigmodel.serving.worker import LONGEST, Place

Gather = Callable[[], Snapshot]  # the figures of all workers

_LAST_WORDS = 2.0  # seconds to read what an ended process has left in the line


class Child:
    """A worker that was started; `figures` are its latest.

    Once it is ready: since when (monotonic seconds), and the `names` of its models.
    """

    def __init__(self, place: Place, process: asyncio.subprocess.Process) -> None:
        self.place, self._process = place, process
        self.since = math.inf
        self.names: str | None = None
        self.figures: Snapshot = []
        self._ready = asyncio.Event()
        self._line: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, command: Sequence[str], number: int, workers: int, files: tuple[int, int],
        gather: Gather,
    ) -> "Child":  # fmt: skip
        """Start one, with the open files of the listening socket and of the accounts."""
        ours, theirs = socket.socketpair()
        listener, accounts = files
        place = Place(number, workers, listener, theirs.fileno(), accounts)
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(listener, theirs.fileno(), accounts),
            env=place.environment(),
            start_new_session=True,  # Ctrl-C is the supervisor's to hear
        )
        theirs.close()
        child = cls(place, process)
        reader, child._line = await asyncio.open_unix_connection(sock=ours, limit=LONGEST)
        child._reading = asyncio.ensure_future(child._read(reader, gather))
        return child

    async def _read(self, reader: asyncio.StreamReader, gather: Gather) -> None:
        with suppress(OSError, ValueError):  # killed in the middle of a line
            while text := await reader.readline():
                said = orjson.loads(text)
                if "ready" in said:
                    self.names, self.since = said["ready"], time.monotonic()
                    self._ready.set()
                self.figures = said.get("figures", self.figures)
                if "ask" in said and self._line is not None and not self._line.is_closing():
                    self._line.write(orjson.dumps([said["ask"], gather()]) + b"\n")

    async def ready(self, seconds: float) -> bool:
        """Wait until it answers; False when it ends before, or takes longer."""
        ready = asyncio.ensure_future(self._ready.wait())
        ended = asyncio.ensure_future(self._process.wait())
        await asyncio.wait((ready, ended), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        ended.cancel()
        return self._ready.is_set() and self._process.returncode is None

    async def ended(self) -> int:
        """Wait for its end, and for its last words; the exit code, -9 when it was killed."""
        code = await self._process.wait()
        if self._reading is not None:
            await asyncio.wait((self._reading,), timeout=_LAST_WORDS)
        if self._line is not None:
            self._line.close()
        return code

    def retire(self) -> None:
        """Have it end what it has begun: another one has its place. It may still speak."""
        if self._line is not None and not self._line.is_closing():
            self._line.write_eof()

    def send(self, what: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        with suppress(ProcessLookupError):
            self._process.send_signal(what)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None
