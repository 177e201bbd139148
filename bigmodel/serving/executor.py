"""Where a model's work is done: in the event loop, or beside it.

A fast model answers in the loop, together what came together: any thread would cost more than the
model. A slow one leaves the loop to a few threads, so that the loop can go on to refuse what would
only wait.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.engine import available_cores
from bigmodel.data.encoder import Encoded
from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import ApiError
from bigmodel.serving.gather import Gatherer, Run
from bigmodel.serving.question import Question
from bigmodel.serving.soon import Soon

Mode = Literal["inline", "queue", "threads"]


class Network(Protocol):
    """What runs encoded rows."""

    def run(self, encoded: Encoded) -> NDArray[np.float32]: ...  # noqa: D102


FAST = 0.002  # seconds that the loop may be held
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
    return "queue" if seconds <= FAST else "threads"


class Executor:
    """Does the work of one model: `inline` each request at once, `queue` those of a turn together,
    `threads` beside the loop.

    `row_seconds` is what each further row costs: a request that would hold the loop for longer
    than `FAST` goes to the threads in any mode.
    """

    def __init__(self, run: Run, mode: Mode, row_seconds: float, running: Running) -> None:
        self.mode = mode
        self._most_rows = 0 if mode == "threads" else max(1, int(FAST / max(row_seconds, 1e-9)))
        self._queue = Gatherer(run, min(_TOGETHER, self._most_rows))
        self._pool = ThreadPoolExecutor(running.at_a_time, thread_name_prefix="model")
        self._most, self._in_threads = running.waiting + running.at_a_time, 0

    def in_loop(self, rows: int) -> bool:
        """Whether so many rows are answered in the loop; else `beside` it."""
        return rows <= self._most_rows

    def together(self, question: Question) -> Soon[Answers]:
        """The answers, with those to all that comes in the same turn. Raises what `run` raises."""
        return self._queue.ask(question)

    async def beside(self, work: Callable[[], Answers]) -> Answers:
        """What `work` returns, in a thread. Raises what it raises, ApiError 503 when too many
        requests wait.
        """
        if self._in_threads >= self._most:
            raise ApiError(
                503, "busy", "too many requests wait for this model; try again",
                headers=((b"retry-after", b"1"),),
            )  # fmt: skip
        self._in_threads += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._in_threads -= 1

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False)
