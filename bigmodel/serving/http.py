"""One request and one answer over ASGI: no framework in between."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson

from bigmodel.serving.errors import ApiError, Headers
from bigmodel.serving.ids import new_id

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = b"application/json"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class ClientGone(Exception):  # noqa: N818 (nobody is left to be told of an error)
    """The caller closed the connection before the answer."""


class Request:
    """What was asked: the head at once, the body when somebody wants it.

    `arguments` are the parts of the path that the route names. `model` is set by the handler once
    it is known which model answers, `key` by the guard: the id of the caller's key, and `ticket`:
    its leave. `rows` are those that were answered.
    """

    __slots__ = (
        *("_receive", "arguments", "headers", "id", "key", "method", "model", "path"),
        *("rows", "ticket"),
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = "GET" if scope["method"] == "HEAD" else scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        well = _REQUEST_ID.fullmatch(given)
        self.id: bytes = given if well else new_id().encode()
        self.arguments: Mapping[str, str] = {}
        self.model: Any = None
        self.key: str | None = None
        self.ticket: Any = None
        self.rows = 0
        self._receive = receive

    async def body(self, most: int, seconds: float) -> bytes:
        """The whole body, of `most` bytes and within `seconds`.

        Raises ApiError: 413 when it is larger (before it is read, where its length is told), 408
        when it is slower, 415 when it is compressed; ClientGone when it breaks off.
        """
        if int(self.headers.get(b"content-length") or 0) > most:
            raise _too_large(most)
        if self.headers.get(b"content-encoding", b"identity") != b"identity":
            raise ApiError(
                415, "encoded_body", "send the body as it is: compressed ones are not taken",
                "content-encoding",
            )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                body = await self._read(most)
        except TimeoutError:
            raise ApiError(
                408, "slow_body", f"the body took longer than {seconds:g} s", headers=CLOSE
            ) from None
        if self.ticket is not None:
            self.ticket.begin()
        return body

    async def _read(self, most: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > most:
                raise _too_large(most)
            if not message.get("more_body", False):
                return b"".join([*parts, part]) if parts else part
            parts.append(part)


CLOSE: Headers = ((b"connection", b"close"),)  # the rest of a body is not waited for


def _too_large(most: int) -> ApiError:
    return ApiError(
        413, "body_too_large", f"the body has more than {most:,} bytes; send fewer rows at a time",
        headers=CLOSE,
    )  # fmt: skip


class Response:
    """An answer: status, body and its type, and headers beside these."""

    __slots__ = ("body", "headers", "media", "status")

    def __init__(
        self, body: bytes, media: bytes = JSON, status: int = 200, headers: Headers = ()
    ) -> None:
        self.body, self.media, self.status, self.headers = body, media, status, headers

    async def send(self, send: Send, more: Headers = ()) -> None:
        """Write it, with `more` headers."""
        head = [
            (b"content-type", self.media),
            (b"content-length", b"%d" % len(self.body)),
            *self.headers,
            *more,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": self.body})


def json(content: Any, status: int = 200, headers: Headers = ()) -> Response:
    """An answer in JSON; numpy arrays and scalars are written as they are."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), JSON, status, headers)


def refusal(error: ApiError) -> Response:
    """The answer that an ApiError stands for."""
    return json(error.content(), error.status, error.headers)


def loads(body: bytes) -> Any:
    """What a JSON text says. Raises ApiError 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "not_json", f"the body is not JSON: {str(error)[:150]}") from None
