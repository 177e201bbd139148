"""One connection, with limits that the HTTP server itself has none of.

The head of a request is bounded in size and time, and a client that does not read its answers is
not waited for. What is no HTTP at all is told in the same form as every other mistake.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bigmodel.serving.errors import ApiError


class Protocol(HttpToolsProtocol):
    """Reads requests under the limits of the service that `app` serves."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        self._limits = self.app.service.settings.limits
        self._head = 0  # bytes of a head that is not complete yet
        self._refused: ApiError | None = None
        self._slow: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        if len(self.connections) > self._limits.connections:
            again = ((b"retry-after", b"1"),)
            self._refuse(ApiError(503, "too_many_connections", "try again later", headers=again))
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        for timer in (self._slow, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a head or of a body."""
        if self.transport.is_closing():
            return
        self._head += len(data)
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            return
        if self._head > self._limits.header_bytes:  # and still no end of it
            self._refuse(_head_too_large(self._limits.header_bytes))
        elif self._slow is None and self.timeout_keep_alive_task is None:
            self._expect_head()

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        super().on_message_begin()
        self._parsed = 0

    def on_url(self, url: bytes) -> None:
        """A part of the path."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._count(len(name) + len(value) + 4)  # with what is between them
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The end of a head: the application is asked."""
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
        self._head = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The end of a body."""
        self._head = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client does not read: for so long it may."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._limits.body_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing was asked for a while: close, also where the last answer was not read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What came cannot be read."""
        self._refuse(self._refused or ApiError(400, "not_http", "this is not HTTP/1.1"))

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing is said: anybody could fill the log with it."""

    def _expect_head(self) -> None:
        self._slow = self.loop.call_later(self._limits.header_seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._slow = None
        if self._head:
            seconds = self._limits.header_seconds
            self._refuse(ApiError(408, "slow_head", f"the head took longer than {seconds:g} s"))
        else:
            self.transport.close()

    def _count(self, size: int) -> None:
        """Stop the parser where a complete head is too large."""
        self._parsed += size
        if self._parsed > self._limits.header_bytes:
            self._refused = _head_too_large(self._limits.header_bytes)
            raise httptools.HttpParserError

    def _refuse(self, error: ApiError) -> None:
        """Answer without the application, and close."""
        if self.transport.is_closing():
            return
        body = orjson.dumps(error.content())
        status = HTTPStatus(error.status)
        head: list[tuple[bytes, Any]] = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *error.headers,
        ]
        lines = [b"HTTP/1.1 %d %s" % (status.value, status.phrase.encode())]
        lines += [b"%s: %s" % line for line in head]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()


def _head_too_large(most: int) -> ApiError:
    return ApiError(431, "head_too_large", f"path and headers have more than {most:,} bytes")
