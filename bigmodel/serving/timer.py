"""The one deadline that a connection has at a time."""

import asyncio
import math
from collections.abc import Callable

Action = Callable[[], None]


class Timer:
    """Calls an action when its time is over.

    A connection starts and stops it with each request, so neither asks the loop: what the loop
    knows of comes early where the deadline has moved, and then waits for the rest.
    """

    __slots__ = ("_action", "_due", "_handle", "_loop", "_set")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._action: Action | None = None
        self._due = self._set = math.inf  # when the action is due, and when the loop comes back
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, action: Action) -> None:
        """In so many seconds do this, and nothing else."""
        self._action = action
        self._due = self._loop.time() + seconds
        if self._due < self._set:
            self._arm()

    def keep(self, seconds: float, action: Action) -> None:
        """The same, unless it is waiting for this action already."""
        if self._action != action:
            self.start(seconds, action)

    def stop(self) -> None:
        """Do nothing."""
        self._action, self._due = None, math.inf

    def close(self) -> None:
        """Never do anything again."""
        self.stop()
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._set = self._due
        self._handle = self._loop.call_at(self._due, self._fire)

    def _fire(self) -> None:
        self._handle, self._set = None, math.inf
        if self._action is None:
            return
        if self._loop.time() < self._due:
            self._arm()
        else:
            action = self._action
            self.stop()
            action()
