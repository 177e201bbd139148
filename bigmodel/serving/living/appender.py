"""Events on their way into the log: many requests share one commit."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bigmodel.learning.journal.store import Event, Journal

Waiting = tuple[Sequence[Event], "asyncio.Future[list[bool]]"]


class Full(Exception):  # noqa: N818 (callers are told to wait)
    """More labels wait than may."""


class Appender:
    """Appends to the log in `place` of the model version `model`; used by one event loop.

    `most` labels may wait to be learnt.
    """

    def __init__(self, place: Path, model: str, most: int) -> None:
        self._journal, self._most = Journal(place, model), most
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="bigmodel-events")

    async def append(self, events: Sequence[Event]) -> list[bool]:
        """For each whether it is new, once all are on the disk.

        Raises `sqlite3.Error` when the disk refuses, Full when too many wait.
        """
        future: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, future))
        if self._task is None:
            self._task = asyncio.ensure_future(self._flush())
        return await future

    def close(self) -> None:
        """Close the log."""
        self._pool.shutdown()
        self._journal.close()

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            taken, self._waiting = self._waiting, []
            events = [event for given, _ in taken for event in given]
            try:
                new = await loop.run_in_executor(self._pool, self._write, events)
            except Exception as error:  # noqa: BLE001  each of those who wait is told
                for _, future in taken:
                    if not future.done():
                        future.set_exception(error)
                continue
            for given, future in taken:
                own, new = new[: len(given)], new[len(given) :]
                if not future.done():
                    future.set_result(own)
        self._task = None

    def _write(self, events: list[Event]) -> list[bool]:
        if self._journal.waiting() > self._most:
            raise Full
        return self._journal.append(events)
