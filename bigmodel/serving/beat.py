"""What the service does once a second, whether it is asked or not."""

import asyncio
import sqlite3
from contextlib import suppress

from bigmodel.serving.limits import Limits
from bigmodel.serving.metrics import Metrics
from bigmodel.serving.writer import Writer

_SECONDS = 1.0


class Beat:
    """Brings the gauges up to date, and the quotas to the disk and back."""

    def __init__(self, limits: Limits, metrics: Metrics, writer: Writer) -> None:
        self._limits, self._metrics, self._writer = limits, metrics, writer
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The first beat, which reads what was used before the start, and then one a second."""
        self._metrics.refresh()
        await self._settle()
        self._task = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        """The last one."""
        self._ended.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _SECONDS)
            self._metrics.refresh()
            await self._settle()

    async def _settle(self) -> None:
        used = self._limits.unsaved()
        try:
            totals = await self._writer.now(lambda store: store.add_usage(used))
        except sqlite3.Error:  # the next beat tries again: they count as unsaved
            return
        self._limits.settle(used, totals)
