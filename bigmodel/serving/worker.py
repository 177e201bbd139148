"""One of several workers: what it got from its supervisor, and the line between the two.

Over the line go JSON texts, one a line. The worker says `{"ready": NAMES}`, and each second its
`{"figures": [...]}`; with `"ask": NUMBER` in it, `[NUMBER, [...]]` comes back, with those of all
workers. The end of the line means that the worker is to end: another one has its place, or the
supervisor is gone.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from typing import Any, Self

import orjson

from bigmodel.serving.figures import Snapshot
from bigmodel.serving.settings import Serving

LONGEST = 1 << 26  # bytes of a line: far more than the figures of thousands of versions
_PLACE = "BIGMODEL_WORKER"
_PATIENCE = 2.0  # seconds for the supervisor to answer


@dataclass(frozen=True)
class Place:
    """Which worker (from 1) of how many; the open files it got: socket, line, accounts."""

    number: int
    workers: int
    listener: int
    line: int
    accounts: int

    @classmethod
    def inherited(cls) -> Self | None:
        """That of this process; None where it is no worker."""
        told = os.environ.get(_PLACE)
        return None if told is None else cls(*map(int, told.split()))

    def environment(self) -> dict[str, str]:
        """That of the process that is to have this place."""
        kept = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        return {**kept, _PLACE: " ".join(map(str, astuple(self)))}

    def share(self, settings: Serving) -> Serving:
        """The settings, with this worker's share of what all of them may take."""
        room = replace(settings.room, in_flight=-(-settings.room.in_flight // self.workers))
        memory = settings.memory_limit and max(1, settings.memory_limit // self.workers)
        waiting = -(-settings.waiting // self.workers)
        return replace(settings, room=room, waiting=waiting, memory_limit=memory)

    def cores(self, all_cores: int) -> int:
        """This worker's share of them: one at least."""
        return max(1, all_cores // self.workers)


class Line:
    """The worker's end of the line; `listener` is the socket that all workers share."""

    def __init__(self, place: Place) -> None:
        self.listener = socket.socket(fileno=place.listener)
        self._socket = socket.socket(fileno=place.line)
        self._writer: asyncio.StreamWriter | None = None
        self._asked = 0
        self._answers: dict[int, asyncio.Future[Snapshot]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def open(self, ended: Callable[[], None]) -> None:
        """Read from now on; `ended` is called at its end."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._socket, limit=LONGEST)
        self._reading = asyncio.ensure_future(self._read(reader, ended))

    async def _read(self, reader: asyncio.StreamReader, ended: Callable[[], None]) -> None:
        with suppress(OSError, ValueError):  # gone in the middle of a line
            while text := await reader.readline():
                number, figures = orjson.loads(text)
                if number in self._answers:
                    self._answers[number].set_result(figures)
        ended()

    def ready(self, names: str) -> None:
        """This worker answers; `names` are those of its models."""
        self._say({"ready": names})

    def publish(self, own: Snapshot) -> None:
        """The figures of this worker; dropped while the supervisor does not read."""
        if self._writer is not None and not self._writer.transport.get_write_buffer_size():
            self._say({"figures": own})

    async def figures(self, own: Snapshot) -> Snapshot:
        """Those of all workers. Raises TimeoutError when the supervisor does not answer."""
        self._asked += 1
        answer = self._answers[self._asked] = asyncio.get_running_loop().create_future()
        number = self._asked
        self._say({"figures": own, "ask": number})
        try:
            return await asyncio.wait_for(answer, _PATIENCE)
        finally:
            del self._answers[number]

    async def close(self, last: Snapshot) -> None:
        """Tell the last figures: the supervisor keeps them."""
        self._say({"figures": last})
        if self._writer is not None:
            self._writer.close()
            with suppress(TimeoutError, OSError):
                await asyncio.wait_for(self._writer.wait_closed(), _PATIENCE)

    def _say(self, content: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))
