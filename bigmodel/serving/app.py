"""The service as an ASGI application: routes, the order of the checks, and what is never a 500."""

import logging
import time

from bigmodel.serving import docs, health, openapi, status, v1, v2
from bigmodel.serving.errors import ApiError
from bigmodel.serving.http import (
    CLOSE,
    ClientGone,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    refusal,
)
from bigmodel.serving.routes import Route, Routes
from bigmodel.serving.service import Service

log = logging.getLogger("bigmodel.serving")

ROUTES = (
    Route("POST", "/v1/models/{name}/predict", "predict", v1.predict),
    Route("POST", "/v1/models/{name}/feedback", "feedback", v1.feedback),
    Route("GET", "/v1/models/{name}", "any", v1.model),
    Route("GET", "/v1/models/{name}/versions", "any", v1.versions),
    Route("GET", "/v1/models/{name}/card", "any", v1.card),
    Route("GET", "/v1/models/{name}/example", "any", v1.example),
    Route("POST", "/v2/models/{name}/infer", "predict", v2.infer),
    Route("POST", "/v2/models/{name}/versions/{version}/infer", "predict", v2.infer),
    Route("GET", "/v2", None, v2.server),
    Route("GET", "/v2/health/live", None, health.live),
    Route("GET", "/v2/health/ready", None, health.ready),
    Route("GET", "/v2/models/{name}", "any", v2.metadata),
    Route("GET", "/v2/models/{name}/versions/{version}", "any", v2.metadata),
    Route("GET", "/v2/models/{name}/ready", "any", v2.ready),
    Route("GET", "/v2/models/{name}/versions/{version}/ready", "any", v2.ready),
    Route("GET", "/openapi.json", "any", openapi.document),
    Route("GET", "/docs", None, docs.page),
    Route("GET", "/health/live", None, health.live),
    Route("GET", "/health/ready", None, health.ready),
    Route("GET", "/metrics", "admin", health.metrics),
    Route("GET", "/", None, status.page),
    Route("GET", "/v1/status", "admin", status.report),
)
_NO_ROUTE = "unknown"  # the route of what has none, in the metrics: a path could be anything


class App:
    """Cheapest check first: path and method, then what the guard says, then the body."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.routes = Routes(ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and the end of the service."""
        if scope["type"] == "http":
            await self._http(Request(scope, receive), send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _http(self, request: Request, send: Send) -> None:
        started = time.perf_counter()
        path = _NO_ROUTE
        try:
            route = self.routes.find(request)
            path = route.path
            response = await self._guarded(route, request)
        except ApiError as error:
            response = self._refused(request, path, error)
        except ClientGone:
            return
        except Exception:  # a mistake of ours: told in the log, not to the caller
            log.exception("request %s: %s", request.id.decode(), path)
            mistake = ApiError(500, "internal", "the service made a mistake; see its log")
            response = self._refused(request, path, mistake)
        seconds = time.perf_counter() - started
        self.service.metrics.observe(request, path, response.status, seconds)
        self.service.log.answered(request, path, response.status, seconds)
        ends = CLOSE if self.service.draining else ()
        await response.send(send, [(b"x-request-id", request.id), *ends])

    def _refused(self, request: Request, path: str, error: ApiError) -> Response:
        self.service.monitor.refused(request, path, error)
        return refusal(error)

    async def _guarded(self, route: Route, request: Request) -> Response:
        if route.scope is None:
            return await route.handle(self.service, request)
        ticket = self.service.guard.admit(request, route.scope, request.arguments.get("name"))
        try:
            return await route.handle(self.service, request)
        finally:
            ticket.release()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.service.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.service.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
