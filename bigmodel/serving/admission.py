"""Whether there is room for one more request: decided before its body is read.

Two things are watched. Requests that wait for the engine: their number times the seconds between
two answers is how long a new one would take (Little's law), wherever the model runs. And the event
loop: where the model runs in it, requests wait in the sockets, unseen, and by how much the loop is
late says for how long.
"""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from bigmodel.serving.errors import ApiError
from bigmodel.serving.keys import Priority

# how much of the room each priority may fill: low ones are refused first
SHARES: dict[Priority, float] = {"low": 0.5, "normal": 0.75, "high": 1.0}
_MEMORY = 0.99  # of the estimate, per answer: it follows the last hundred
_MARGIN = 0.5  # of the deadline: what is expected is the mean, the slowest take twice as long
_PULSE = 0.01  # seconds

Reason = Literal["in_flight", "deadline", "late"]


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
        self._pulse = _Pulse()

    def enter(self, priority: Priority) -> None:
        """Count a request in. Raises Shed."""
        share = SHARES[priority]
        waited = self._pulse.waited()
        if self.in_flight >= self._limit * share:
            raise Shed("in_flight", self.expected())
        if waited + self.expected() > self.deadline * share * _MARGIN:
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

    @contextmanager
    def aside(self) -> Iterator[None]:
        """In the block a request waits for something else: that says nothing of the engine."""
        self._account()
        self.working -= 1
        try:
            yield
        finally:
            self._account()
            self.working += 1

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


class _Pulse:
    """How long requests have waited in the sockets while the loop did what came before them.

    A timer that comes late tells it: by how much, a request that came meanwhile has waited. It
    runs only while requests come.
    """

    def __init__(self) -> None:
        self._due = self._late = 0.0
        self._runs = self._asked = False

    def waited(self) -> float:
        """Seconds, at most, for a request that the loop has come to now."""
        self._asked = True
        if not self._runs:
            self._runs, self._late = True, 0.0
            self._wait()
        return self._late + max(0.0, time.monotonic() - self._due)

    def _wait(self) -> None:
        self._due = time.monotonic() + _PULSE
        asyncio.get_running_loop().call_later(_PULSE, self._beat)

    def _beat(self) -> None:
        self._late = max(0.0, time.monotonic() - self._due)
        self._runs, self._asked = self._asked, False
        if self._runs:
            self._wait()
