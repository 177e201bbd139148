"""Whether there is room for one more request: decided before its body is read.

Two things are watched. Requests that wait for the engine: their number times the seconds between
two answers is how long a new one would take (Little's law), wherever the model runs. And the turn
of the event loop: a model that answers within it never has two requests waiting, and its queue is
in the sockets; there the length of the turns says how long a request has already waited.
"""

import asyncio
import math
import time
from typing import Literal

from bigmodel.serving.errors import ApiError
from bigmodel.serving.keys import Priority

# how much of the room each priority may fill: low ones are refused first. High keeps a margin,
# too: an estimate of the mean must leave room for the slow tail
SHARES: dict[Priority, float] = {"low": 0.5, "normal": 0.75, "high": 0.9}
_MEMORY = 0.99  # of the estimate, per answer: it follows the last hundred
_ADJACENT = 1e-3  # seconds: turns that are closer than this are one queue

Reason = Literal["in_flight", "deadline"]


class Shed(ApiError):  # noqa: N818  as the other refusals
    """Refused for lack of room: 503 with Retry-After. `reason` is what was short."""

    def __init__(self, reason: Reason, wait: float) -> None:
        again = ((b"retry-after", str(max(1, math.ceil(wait))).encode()),)
        message = "the service is busy: try again later"
        super().__init__(503, "overloaded", message, headers=again)
        self.reason = reason


class Admission:
    """Counts requests in flight, and those of them that wait for the engine.

    At most `limit` requests are in flight; none is let in that would take longer than
    `deadline` seconds. Used by one event loop.
    """

    def __init__(self, limit: int, deadline: float) -> None:
        self._limit, self.deadline = limit, deadline
        self.in_flight = self.working = 0
        self._busy, self._answers = 0.0, 0.0  # seconds with work, and answers in them
        self._changed = 0.0
        self._turn = _Turn()

    def enter(self, priority: Priority) -> None:
        """Count a request in. Raises Shed."""
        share = SHARES[priority]
        waited = self._turn.waited()
        if self.in_flight >= self._limit * share:
            raise Shed("in_flight", self.expected())
        if waited + self.expected() > self.deadline * share:
            raise Shed("deadline", waited + self.expected())
        self.in_flight += 1

    def leave(self) -> None:
        """Count it out."""
        self.in_flight -= 1

    def begin(self) -> None:
        """A request is complete and valid: from now on it waits for the engine."""
        self._account()
        self.working += 1

    def end(self) -> None:
        """Its answer is there."""
        self._account()
        self.working -= 1
        self._busy *= _MEMORY
        self._answers = self._answers * _MEMORY + 1

    def expected(self) -> float:
        """Seconds that one more request would take; 0 when nothing waits.

        With nothing waiting a request is always let in: else an estimate that one slow answer
        has spoilt could never be corrected.
        """
        if not self.working or not self._answers:
            return 0.0
        return (self.working + 1) * self._busy / self._answers

    def _account(self) -> None:
        now = time.monotonic()
        if self.working:
            self._busy += now - self._changed
        self._changed = now


class _Turn:
    """How long requests have waited in the sockets while the loop did what came before them."""

    def __init__(self) -> None:
        self._start = self._end = self._length = 0.0
        self._open = False

    def waited(self) -> float:
        """Seconds, for a request that the loop has come to now."""
        now = time.monotonic()
        if not self._open:
            if now - self._end > _ADJACENT:
                self._length = 0.0
            self._open, self._start = True, now
            asyncio.get_running_loop().call_soon(self._close)
        return now - self._start + self._length

    def _close(self) -> None:
        self._end = time.monotonic()
        self._length = self._end - self._start
        self._open = False
