"""A result that is there within a turn or two of the event loop.

It costs less than a task: whoever waits is called, and what is done with the result is a list of
functions. The first result counts; there is no other.
"""

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class Soon(Generic[T]):
    """`then` and `otherwise` are said, and `done` is set, before whoever made it tells the result.

    It may be awaited in place of that.
    """

    __slots__ = ("_otherwise", "_uses", "done")

    def __init__(self) -> None:
        self._uses: list[Callable[[Any], Any]] = []
        self._otherwise: Callable[[Exception], T] | None = None
        self.done: Callable[[Any, Exception | None], None] | None = None

    def then(self, use: Callable[[Any], Any]) -> Self:
        """From now on the result is what `use` makes of it."""
        self._uses.append(use)
        return self

    def otherwise(self, use: Callable[[Exception], T]) -> Self:
        """From now on an error becomes what `use` makes of it."""
        self._otherwise = use
        return self

    def tell(self, value: Any = None, error: Exception | None = None) -> None:
        """The result, or why there is none."""
        if error is None:
            try:
                for use in self._uses:
                    value = use(value)
            except Exception as failed:  # noqa: BLE001  whoever waits is told
                error = failed
        if error is not None and self._otherwise is not None:
            value, error = self._otherwise(error), None
        assert self.done is not None
        self.done(value, error)

    def __await__(self) -> Generator[Any, None, T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(value: T, error: Exception | None) -> None:
            if future.done():  # whoever waited was cancelled
                return
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

        self.done = done
        return future.__await__()
