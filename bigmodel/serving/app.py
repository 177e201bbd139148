"""The service as an application: its routes, and its start and end.

`bigmodel serve` asks it over `protocol.Protocol`. It is an ASGI application as well, for servers
that mount it beside others.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bigmodel.serving import admin, docs, health, openapi, status, v1, v2
from bigmodel.serving.errors import ApiError
from bigmodel.serving.exchange import Exchange
from bigmodel.serving.http import Request, Response, too_large, too_slow
from bigmodel.serving.routes import Route, Routes
from bigmodel.serving.service import Service

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

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
    Route("POST", "/v1/admin/models/{name}/promote", "admin", admin.promote),
    Route("POST", "/v1/admin/models/{name}/rollback", "admin", admin.rollback),
    Route("POST", "/v1/admin/models/{name}/traffic", "admin", admin.traffic),
    Route("POST", "/v1/admin/models/{name}/push", "admin", admin.push, large=True),
    Route("GET", "/openapi.json", "any", openapi.document),
    Route("GET", "/docs", None, docs.page),
    Route("GET", "/health/live", None, health.live),
    Route("GET", "/health/ready", None, health.ready),
    Route("GET", "/metrics", "admin", health.metrics),
    Route("GET", "/", None, status.page),
    Route("GET", "/v1/status", "admin", status.report),
)


class ClientGone(Exception):  # noqa: N818 (nobody is left to be told of an error)
    """The caller closed the connection before the answer."""


class App:
    """A service behind its routes."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.routes = Routes(ROUTES)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and the end of the service."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        exchange = Exchange(
            self.service, Request(scope["method"], scope["path"], dict(scope["headers"]))
        )
        response = exchange.open(self.routes)
        if response is None:
            try:
                async with asyncio.timeout(exchange.seconds):
                    body = await _body(receive, exchange.most)
            except TimeoutError:
                response = exchange.refuse(too_slow(exchange.seconds))
            except ApiError as error:
                response = exchange.refuse(error)
            except ClientGone:
                return exchange.abandon()
            else:
                given = exchange.answer(body)
                response = given if isinstance(given, Response) else await given
        head = [
            (b"content-type", response.media),
            (b"content-length", b"%d" % len(response.body)),
            *response.headers,
            *exchange.headers(),
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": head})
        await send({"type": "http.response.body", "body": response.body})

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


async def _body(receive: Receive, most: int) -> bytes:
    """The whole body; ApiError 413 when it has more than `most` bytes, ClientGone without end."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large(most)
        if not message.get("more_body", False):
            return b"".join(parts)
