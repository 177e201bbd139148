"""The work of one request, told to the breaker of its version and to who compares versions."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import ApiError
from bigmodel.serving.executor import Mode
from bigmodel.serving.rows import Batch, Reader
from bigmodel.serving.traffic.breaker import Breaker


class Observer(Protocol):
    """Who is told how versions do."""

    def answered(self, model: Any, rows: int, seconds: float | None) -> None:
        """A request of so many rows took so long; None: the network failed."""

    def compare(self, model: Any, read: Callable[[Reader], Batch], answers: Answers) -> None:
        """These are the answers to the rows that `read` makes."""


class Watched(Protocol):
    """A version."""

    breaker: Breaker
    observer: Observer | None


class Work:
    """Seconds of the processor that a request took: no other's work, and no waiting, counts.

    Where several requests share a run of the network these cannot be told apart, and it is the
    time that passed.
    """

    __slots__ = ("_clock", "_started", "seconds")

    def __init__(self, mode: Mode) -> None:
        self._clock = time.perf_counter if mode == "queue" else time.thread_time
        self._started = self.seconds = 0.0

    def begin(self) -> None:
        """In the thread that does it."""
        self._started = self._clock()

    def end(self) -> None:
        """In the same one."""
        self.seconds = self._clock() - self._started


@contextmanager
def watched(model: Watched, rows: int, mode: Mode) -> Iterator[Work]:
    """The block asks the network. Raises ApiError 503 before it when the network fails always."""
    work = Work(mode)

    def tell(seconds: float | None) -> None:
        if model.observer is not None:
            model.observer.answered(model, rows, seconds)

    try:
        model.breaker.enter()
    except ApiError:
        tell(None)
        raise
    try:
        yield work
    except ApiError:
        model.breaker.unknown()
        raise
    except Exception:
        model.breaker.failed()
        tell(None)
        raise
    except BaseException:  # cancelled
        model.breaker.unknown()
        raise
    model.breaker.succeeded()
    tell(work.seconds)
