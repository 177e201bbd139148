"""One request and one answer over HTTP: no framework in between."""

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson

from bigmodel.serving.errors import ApiError, Headers
from bigmodel.serving.ids import new_id
from bigmodel.serving.soon import Soon

JSON = b"application/json"
CLOSE: Headers = ((b"connection", b"close"),)  # the rest of a body is not waited for
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_STATUS = {
    status.value: b"HTTP/1.1 %d %b\r\ncontent-type: " % (status.value, status.phrase.encode())
    for status in HTTPStatus
}


class Request:
    """What was asked: the head at once, the body in `content` before a handler sees it.

    The names of `headers` are in lower case. `arguments` are the parts of the path that the route
    names. `model` is set by the handler once it is known which model answers, `key` by the guard:
    the id of the caller's key, and `ticket`: its leave. `rows` are those that were answered.
    """

    __slots__ = (
        *("arguments", "content", "headers", "id", "key", "method", "model", "path"),
        *("rows", "ticket"),
    )

    def __init__(self, method: str, path: str, headers: dict[bytes, bytes]) -> None:
        self.method = "GET" if method == "HEAD" else method
        self.path, self.headers = path, headers
        given = headers.get(b"x-request-id")
        well = given is not None and _REQUEST_ID.fullmatch(given) is not None
        self.id = given.decode() if given is not None and well else new_id()
        self.arguments: Mapping[str, str] = {}
        self.content = b""
        self.model: Any = None
        self.key: str | None = None
        self.ticket: Any = None
        self.rows = 0

    def check_length(self, most: int) -> None:
        """Raise ApiError 413 when a body is announced that is larger than `most` bytes, 415 when
        it is compressed.
        """
        if int(self.headers.get(b"content-length") or 0) > most:
            raise too_large(most)
        if self.headers.get(b"content-encoding", b"identity") != b"identity":
            raise ApiError(
                415, "encoded_body", "send the body as it is: compressed ones are not taken",
                "content-encoding",
            )  # fmt: skip


class Response:
    """An answer: status, body and its type, and headers beside these."""

    __slots__ = ("body", "headers", "media", "status")

    def __init__(
        self, body: bytes, media: bytes = JSON, status: int = 200, headers: Headers = ()
    ) -> None:
        self.body, self.media, self.status, self.headers = body, media, status, headers

    def head(self, more: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Status line and headers as HTTP/1.1 has them, with `more` headers."""
        parts = [b"%b%b\r\ncontent-length: %d" % (_STATUS[self.status], self.media, len(self.body))]
        parts += [b"%b: %b" % line for line in self.headers]
        parts += [b"%b: %b" % line for line in more]
        return b"%b\r\n\r\n" % b"\r\n".join(parts)


Handled = Response | Soon[Response] | Coroutine[Any, Any, Response]
Handler = Callable[[Any, Request], Handled]  # of the service; answers at once where it can


def too_large(most: int) -> ApiError:
    """A body that is not read."""
    return ApiError(
        413, "body_too_large", f"the body has more than {most:,} bytes; send fewer rows at a time",
        headers=CLOSE,
    )  # fmt: skip


def too_slow(seconds: float) -> ApiError:
    """A body that is not waited for any longer."""
    return ApiError(408, "slow_body", f"the body took longer than {seconds:g} s", headers=CLOSE)


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
