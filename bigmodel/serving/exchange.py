"""One request on its way through the service, whatever transport brought it."""

import logging
import time
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, TypeVar, cast

from bigmodel.serving.errors import ApiError
from bigmodel.serving.http import CLOSE, Handled, Request, Response, refusal
from bigmodel.serving.routes import Route, Routes
from bigmodel.serving.service import Service
from bigmodel.serving.soon import Soon

log = logging.getLogger("bigmodel.serving")

_PUSH_SECONDS = 600.0  # for a bundle to come
_NO_ROUTE = "unknown"  # the route of what has none, in the metrics: a path could be anything
T = TypeVar("T")
U = TypeVar("U")


def then(
    given: T | Soon[T] | Coroutine[Any, Any, T], use: Callable[[T], U]
) -> U | Soon[U] | Coroutine[Any, Any, U]:
    """What `use` makes of it: at once, or once it is there.

    Most answers are there soon; a task for each would cost as much as the network.
    """
    if isinstance(given, Soon):
        return cast("Soon[U]", given.then(use))

    async def later(awaited: Coroutine[Any, Any, T]) -> U:
        return use(await awaited)

    if isinstance(given, CoroutineType):
        return later(given)
    return use(cast(T, given))


class Exchange:
    """`open` first, with the head alone: the cheapest checks come before the body is read.

    Then, unless that has refused, either `answer` with the body, or `refuse`, or `abandon`. The
    body may have `most` bytes, and may take so many `seconds` to come.
    """

    __slots__ = ("_path", "_route", "_service", "_started", "most", "request", "seconds")

    def __init__(self, service: Service, request: Request) -> None:
        self._started = time.perf_counter()
        self._service, self.request = service, request
        self._path = _NO_ROUTE
        self._route: Route | None = None
        limits = service.settings.limits
        self.most, self.seconds = limits.body_bytes, limits.body_seconds

    def open(self, routes: Routes) -> Response | None:
        """A refusal, or None: the body may come."""
        request, service = self.request, self._service
        try:
            route = self._route = routes.find(request)
            self._path = route.path
            if route.scope is not None:
                service.guard.admit(request, route.scope, request.arguments.get("name"))
            if route.large:
                limits = service.settings.limits
                self.most, self.seconds = limits.push_bytes, _PUSH_SECONDS
            request.check_length(self.most)
        except Exception as error:  # noqa: BLE001  each becomes an answer
            return self.refuse(error)
        return None

    def answer(self, body: bytes) -> Handled:
        """The answer to the whole request: at once where it takes no waiting."""
        assert self._route is not None
        request = self.request
        request.content = body
        try:
            if request.ticket is not None and request.method == "POST":  # others need no engine
                request.ticket.begin()
            given = self._route.handle(self._service, request)
        except Exception as error:  # noqa: BLE001  each becomes an answer
            return self.refuse(error)
        if isinstance(given, Response):
            return self._end(given)
        if isinstance(given, Soon):
            return given.then(self._end).otherwise(self.refuse)
        return self._awaited(given)

    def refuse(self, error: Exception) -> Response:
        """The answer to what cannot be done: a mistake of ours is told in the log only."""
        if not isinstance(error, ApiError):
            log.error("request %s: %s", self.request.id, self._path, exc_info=error)
            error = ApiError(500, "internal", "the service made a mistake; see its log")
        self._service.monitor.refused(self.request, self._path, error)
        return self._end(refusal(error))

    def abandon(self) -> None:
        """The caller has gone: nobody is left to be told."""
        if self.request.ticket is not None:
            self.request.ticket.release()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What each answer says beside its own."""
        ends = CLOSE if self._service.draining else ()
        return [(b"x-request-id", self.request.id.encode()), *ends]

    async def _awaited(self, given: Coroutine[Any, Any, Response]) -> Response:
        try:
            return self._end(await given)
        except Exception as error:  # noqa: BLE001  each becomes an answer
            return self.refuse(error)
        finally:  # also when the task is cancelled
            self.abandon()

    def _end(self, response: Response) -> Response:
        self.abandon()
        seconds = time.perf_counter() - self._started
        self._service.metrics.observe(self.request, self._path, response.status, seconds)
        self._service.log.answered(self.request, self._path, response.status, seconds)
        return response
