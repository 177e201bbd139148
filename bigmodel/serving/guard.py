"""The way into the service: key, scope, rate and quota, room; the cheapest check first."""

import time
from typing import Protocol

from bigmodel.serving.admission import Admission, Shed
from bigmodel.serving.auth import Everybody, Keyring, Need, authorize
from bigmodel.serving.http import Request
from bigmodel.serving.keys import Key
from bigmodel.serving.limits import Limits

_BEGIN = 0.75  # of the deadline: work that begins later would end after it


class Watcher(Protocol):
    """Who is told of what was refused: the metrics."""

    def shed(self, reason: str, priority: str) -> None: ...  # noqa: D102


class Held(Protocol):
    """What a request has: a version of a model."""

    def leave(self) -> None: ...  # noqa: D102


class Ticket:
    """One admitted request: whose it is, and when (monotonic seconds) its work has to begin.

    `begin` when it is complete, before the engine; `release` when it is over, which counts once.
    `held` is the version that answers, which the request has until then.
    """

    __slots__ = ("_admission", "_begin_by", "_over", "_watcher", "_working", "held", "key")

    def __init__(self, key: Key, admission: Admission, watcher: Watcher) -> None:
        self.key, self._admission, self._watcher = key, admission, watcher
        self._begin_by = time.monotonic() + _BEGIN * admission.deadline
        self._working = self._over = False
        self.held: Held | None = None

    def begin(self) -> None:
        """From now on the request waits for the engine."""
        self._working = True
        self._admission.begin()

    def still(self) -> None:
        """Raise ApiError 503 when an answer would come too late: others may still get theirs."""
        if time.monotonic() > self._begin_by:
            self._watcher.shed("late", self.key.priority)
            raise Shed("late", 0.0)

    def release(self) -> None:
        """The request is over, whatever became of it."""
        if self._over:
            return
        self._over = True
        if self.held is not None:
            self.held.leave()
        if self._working:
            self._admission.end()
        self._admission.leave()


class Guard:
    """Admits requests; the cheapest check comes first."""

    def __init__(
        self, keyring: Keyring | Everybody, limits: Limits, admission: Admission, watcher: Watcher
    ) -> None:
        self._keyring, self.limits, self.admission = keyring, limits, admission
        self._watcher = watcher

    @property
    def open(self) -> bool:
        """Whether anybody may ask."""
        return not self._keyring.required

    def admit(self, request: Request, need: Need, model: str | None) -> Ticket:
        """Let a request in that will use a model or the disk; its body is not read yet.

        Sets `request.key` and `request.ticket`. Raises ApiError: 401 (who?), 403 (may not),
        429 (too many), 503 (no room).
        """
        key = self._keyring.identify(request.headers)
        request.key = key.id
        authorize(key, need, model)
        self.limits.take(key)
        try:
            # operators have to see what goes on when there is no room for others
            self.admission.enter("high" if need == "admin" else key.priority)
        except Shed as shed:
            self.limits.give_back(key)
            self._watcher.shed(shed.reason, key.priority)
            raise
        ticket = request.ticket = Ticket(key, self.admission, self._watcher)
        return ticket
