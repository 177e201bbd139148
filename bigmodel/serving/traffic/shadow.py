"""A second version asked beside the one that answers, while there is room; nobody gets it."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import ApiError
from bigmodel.serving.model import Model
from bigmodel.serving.rows import Given

_NICE = 10  # the others of this machine come first
_SAME = 0.1  # of the target's spread: numbers that are no further apart agree


class Shadow:
    """Asks one request at a time, in a thread that yields to all others; what comes meanwhile is
    left out. `room` says whether there is capacity to spare. Used by one event loop.
    """

    def __init__(self, room: Callable[[], bool]) -> None:
        self._room = room
        self._busy = False
        self._pool = ThreadPoolExecutor(1, "shadow", initializer=_yielding)

    def offer(
        self, model: Model, given: Given, answers: Answers, tell: Callable[[float | None], None]
    ) -> None:
        """Let `model` answer, too; `tell` gets the share of rows that it answers otherwise.

        1 where its network failed, None where it could not be asked.
        """
        if self._busy or not model.loaded or not self._room():
            return
        self._busy = True
        model.enter()

        def done(future: asyncio.Future[float | None]) -> None:
            self._busy = False
            model.leave()
            if not future.cancelled():
                tell(future.result())

        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, _differing, model, given, answers)
        work.add_done_callback(done)

    def close(self) -> None:
        """No more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _differing(model: Model, given: Given, answers: Answers) -> float | None:
    try:
        other = model.answer_here(given)
    except ApiError:  # it does not take such rows
        return None
    except Exception:  # noqa: BLE001  whatever it is: this version would have failed
        return 1.0
    first, second = answers.predictions, other.predictions
    if model.schema.target.task == "regression":
        near = _SAME * model.schema.target.scale
        differ = sum(abs(a - b) > near for a, b in zip(first, second, strict=True))
    else:
        differ = sum(a != b for a, b in zip(first, second, strict=True))
    return float(differ) / len(first)


def _yielding() -> None:
    with suppress(OSError, AttributeError):  # a system that has no such thing
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
