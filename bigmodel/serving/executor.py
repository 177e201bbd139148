"""Where a model's work is done: in the event loop, or beside it.

A fast model answers at once: any queue or thread would cost more than the model. A slower network
gains by answering together what came together. A slow one leaves the loop to a few threads, so
that the loop can go on to refuse what would only wait.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.engine import available_cores
from bigmodel.data.encoder import Encoded
from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import ApiError
from bigmodel.serving.rows import Batch

Mode = Literal["inline", "queue", "threads"]
Read = Callable[[], Batch]  # checks and encodes the rows
Finish = Callable[[Batch, NDArray[np.float32]], Answers]
Steps = tuple[Read, Finish]


class Network(Protocol):
    """What runs encoded rows."""

    def run(self, encoded: Encoded) -> NDArray[np.float32]: ...  # noqa: D102


INLINE, QUEUE = 0.0003, 0.002  # seconds of one row, up to which a mode is the best
_TOGETHER = 256  # rows in a run: more would make the first of them wait


@dataclass(frozen=True)
class Running:
    """How the networks of this process run: in which mode, by default by their measured time.

    `threads` are the cores for one run, `cores` those for all runs of a slow network together; at
    most `waiting` requests wait for these.
    """

    threads: int = 1
    cores: int = field(default_factory=available_cores)
    mode: Literal["auto"] | Mode = "auto"
    waiting: int = 64

    @property
    def at_a_time(self) -> int:
        """Runs of a slow network that do not take each other's cores."""
        return max(1, self.cores // self.threads)


def mode_of(seconds: float) -> Mode:
    """The mode for a model that takes so many seconds for a row."""
    if seconds <= INLINE:
        return "inline"
    return "queue" if seconds <= QUEUE else "threads"


class Executor:
    """Runs the work of one model: check, encode, network, answer.

    `row_seconds` is what each further row costs: a request that would hold the loop for longer
    than `QUEUE` goes to the threads in any mode.
    """

    def __init__(self, engine: Network, mode: Mode, row_seconds: float, running: Running) -> None:
        self.mode = mode
        self._engine = engine
        self._most_rows = 0 if mode == "threads" else max(1, int(QUEUE / max(row_seconds, 1e-9)))
        self._queue = Queue(engine)
        self._pool = ThreadPoolExecutor(running.at_a_time, thread_name_prefix="model")
        self._most, self._in_threads = running.waiting + running.at_a_time, 0

    def at_once(self, rows: int) -> bool:
        """Whether `now` is the way for so many rows; else `later`."""
        return self.mode == "inline" and rows <= self._most_rows

    def now(self, read: Read, finish: Finish) -> Answers:
        """The answers of a fast model. Raises what `read` raises."""
        batch = read()
        return finish(batch, self._engine.run(batch.encoded))

    def later(self, read: Read, finish: Finish, rows: int) -> Coroutine[Any, Any, Answers]:
        """The answers. Raises what `read` raises, and ApiError 503 when too many wait."""
        if rows > self._most_rows or self.mode != "queue":
            return self._beside(read, finish)
        return self._together(read, finish)

    async def _together(self, read: Read, finish: Finish) -> Answers:
        batch = read()
        return finish(batch, await self._queue.output(batch.encoded))

    async def _beside(self, read: Read, finish: Finish) -> Answers:
        if self._in_threads >= self._most:
            raise ApiError(
                503, "busy", "too many requests wait for this model; try again",
                headers=((b"retry-after", b"1"),),
            )  # fmt: skip
        self._in_threads += 1

        def work() -> Answers:
            batch = read()
            return finish(batch, self._engine.run(batch.encoded))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._in_threads -= 1

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False)


class Queue:
    """Batches without waiting: what comes within one turn of the loop runs together."""

    def __init__(self, engine: Network) -> None:
        self._engine = engine
        self._waiting: list[tuple[Encoded, asyncio.Future[NDArray[np.float32]]]] = []

    async def output(self, encoded: Encoded) -> NDArray[np.float32]:
        """The network's output for these rows, (n, n_outputs)."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)
        future: asyncio.Future[NDArray[np.float32]] = loop.create_future()
        self._waiting.append((encoded, future))
        return await future

    def _flush(self) -> None:
        taken, self._waiting = self._waiting, []
        while taken:
            rows = count = 0
            while count < len(taken) and (not rows or rows < _TOGETHER):
                rows += len(taken[count][0].numeric)
                count += 1
            self._run(taken[:count])
            taken = taken[count:]

    def _run(self, items: list[tuple[Encoded, asyncio.Future[NDArray[np.float32]]]]) -> None:
        try:
            output = self._engine.run(_together([encoded for encoded, _ in items]))
        except Exception as error:  # noqa: BLE001 (each of those who wait is told)
            for _, future in items:
                if not future.done():
                    future.set_exception(error)
            return
        at = 0
        for encoded, future in items:
            end = at + len(encoded.numeric)
            if not future.done():
                future.set_result(output[at:end])
            at = end


def _together(parts: list[Encoded]) -> Encoded:
    if len(parts) == 1:
        return parts[0]
    names = parts[0].named()
    return Encoded(
        **{name: np.concatenate([part.named()[name] for part in parts]) for name in names}
    )
