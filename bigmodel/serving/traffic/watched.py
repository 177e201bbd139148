"""One run of a network, told to the breaker of its version and to who compares versions."""

import time
from types import TracebackType
from typing import Any, Protocol, Self

from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import ApiError
from bigmodel.serving.rows import Given
from bigmodel.serving.traffic.breaker import Breaker


class Observer(Protocol):
    """Who is told how versions do."""

    def answered(self, model: Any, rows: int, seconds: float | None) -> None:
        """A run of so many rows took so long; None: the network failed."""

    def compare(self, model: Any, given: Given, answers: Answers) -> None:
        """These are the answers to the given rows."""


class Version(Protocol):
    """A version of a model."""

    breaker: Breaker
    observer: Observer | None


class Watched:
    """A block that asks the network, between `begin` and `end` in the thread that does the work.

    What counts are seconds of the processor: no other's work, and no waiting.
    Raises ApiError 503 at its start when the network fails always.
    """

    __slots__ = ("_model", "_rows", "_seconds")

    def __init__(self, model: Version, rows: int) -> None:
        self._model, self._rows, self._seconds = model, rows, 0.0

    def begin(self) -> None:
        """The work begins."""
        self._seconds = -time.thread_time()

    def end(self) -> None:
        """It is done."""
        self._seconds += time.thread_time()

    def __enter__(self) -> Self:
        try:
            self._model.breaker.enter()
        except ApiError:
            self._tell(None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        breaker = self._model.breaker
        if error is None:
            breaker.succeeded()
            self._tell(self._seconds)
        elif isinstance(error, ApiError) or not isinstance(error, Exception):  # or cancelled
            breaker.unknown()
        else:
            breaker.failed()
            self._tell(None)

    def _tell(self, seconds: float | None) -> None:
        if self._model.observer is not None:
            self._model.observer.answered(self._model, self._rows, seconds)
