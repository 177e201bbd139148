"""The way into the service: key, scope, rate and quota, room; the cheapest check first."""

import asyncio
import time
from collections.abc import Iterable
from typing import Literal

from bigmodel.serving.admission import Admission
from bigmodel.serving.auth import Keyring, authorize
from bigmodel.serving.errors import ApiError
from bigmodel.serving.keys import Key, Scope
from bigmodel.serving.limits import Limits

State = Literal["starting", "ready", "draining"]


class Ticket:
    """One admitted request: whose it is, and until when (monotonic seconds) it has to be answered.

    `begin` when it is complete and valid, before the engine; `release` in a finally.
    """

    __slots__ = ("_admission", "_working", "deadline", "key")

    def __init__(self, key: Key, admission: Admission) -> None:
        self.key, self._admission = key, admission
        self.deadline = time.monotonic() + admission.deadline
        self._working = False

    def begin(self) -> None:
        """From now on the request waits for the engine."""
        self._working = True
        self._admission.begin()

    def release(self) -> None:
        """The request is over, whatever became of it."""
        if self._working:
            self._admission.end()
        self._admission.leave()


class Guard:
    """Admits requests, and says whether the service takes any."""

    def __init__(self, keyring: Keyring, limits: Limits, admission: Admission) -> None:
        self.keyring, self.limits, self.admission = keyring, limits, admission
        self.state: State = "starting"

    def admit(
        self, headers: Iterable[tuple[bytes, bytes]], scope: Scope, model: str | None
    ) -> Ticket:
        """Let a request in that will use the engine or the disk; its body is not read yet.

        Raises ApiError: 401 (who?), 403 (may not), 429 (too many), 503 (no room).
        """
        key = self.check(headers, scope, model)
        self.limits.take(key)
        try:
            self.admission.enter(key.priority)
        except ApiError:
            self.limits.give_back(key)
            raise
        return Ticket(key, self.admission)

    def check(
        self, headers: Iterable[tuple[bytes, bytes]], scope: Scope | None, model: str | None
    ) -> Key:
        """The key of a request that costs nothing (a description); raises ApiError 401 or 403."""
        key = self.keyring.identify(headers)
        authorize(key, scope, model)
        return key

    async def drained(self, seconds: float) -> bool:
        """Whether the requests in flight end within so many seconds; new ones still come in."""
        end = time.monotonic() + seconds
        while self.admission.in_flight and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return not self.admission.in_flight
