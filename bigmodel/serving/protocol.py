"""One connection: HTTP/1.1 straight to the application, and back in one write.

Most requests are answered at once: then there is no task, no queue and no message in between. Head
and body are bounded in size and time, and a client that does not read its answers is not waited
for. What is no HTTP at all is told in the same form as every other mistake.

uvicorn makes one of these for each connection, and ends it.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from bigmodel.serving.app import App
from bigmodel.serving.errors import ApiError
from bigmodel.serving.exchange import Exchange
from bigmodel.serving.http import CLOSE, Request, Response, refusal, too_large, too_slow
from bigmodel.serving.soon import Soon
from bigmodel.serving.timer import Timer
from bigmodel.serving.turn import Turn

_NOT_HTTP = ApiError(400, "not_http", "this is not HTTP/1.1")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Protocol(asyncio.Protocol):
    """Reads requests under the limits of the service that `config.app` serves.

    What comes before an earlier request is answered waits in `_line`, and nothing more is read
    meanwhile: the answers go out in the order of their requests.
    """

    def __init__(
        self, config: Config, server_state: ServerState, app_state: Any, _loop: Any = None
    ) -> None:
        app: Any = config.app
        self._app: App = app
        self._limits = self._app.service.settings.limits
        self._state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._timer = Timer(self._loop)
        self._unread: asyncio.TimerHandle | None = None
        self._head = 0  # bytes of a head that is not complete yet
        self._error: ApiError | None = None  # found within the parser
        self._turn: Turn | None = None  # None, too, where the rest of a body is not wanted
        self._within = False  # a body
        self._busy = False  # with an answer that is not there at once
        self._line: deque[Turn] = deque()
        self._ends = False  # with the next answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that there are too many."""
        self._transport = transport
        connections: set[Any] = self._state.connections
        connections.add(self)
        if len(connections) > self._limits.connections:
            again = ((b"retry-after", b"1"),)
            self._refuse(ApiError(503, "too_many_connections", "try again later", headers=again))
        else:
            self._timer.start(self._limits.header_seconds, self._slow_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; what a task is at work on goes on without a reader."""
        connections: set[Any] = self._state.connections
        connections.discard(self)
        self._timer.close()
        if self._unread is not None:
            self._unread.cancel()
        if self._turn is not None and self._turn.opened:
            self._turn.exchange.abandon()

    def eof_received(self) -> bool:
        """The client sends no more; whether it still gets an answer."""
        self._ends = True
        return self._busy

    def shutdown(self) -> None:
        """The server ends: now, or with the answer that is being made."""
        if not self._busy and self._turn is None:
            self._transport.close()
        self._ends = True

    def data_received(self, data: bytes) -> None:
        """Some bytes of a head or of a body."""
        if self._transport.is_closing():
            return
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ends = True  # nothing is upgraded: what comes now would be another protocol's
        except httptools.HttpParserError:
            if not self._busy:
                self._refuse(self._error or _NOT_HTTP)
            else:  # the answer that is being made is the last one
                self._ends = True
                self._transport.pause_reading()
        self._wait()

    def _wait(self) -> None:
        """Set the time for what has to come next."""
        limits = self._limits
        if self._busy or self._transport.is_closing():
            self._timer.stop()
        elif self._within:
            turn = self._turn
            seconds = limits.body_seconds if turn is None else turn.exchange.seconds
            self._timer.keep(seconds, self._slow_body)
        elif not self._head:
            self._timer.start(limits.idle_seconds, self._idle)
        elif self._head > limits.header_bytes:  # and still no end of it
            self._refuse(_head_too_large(limits.header_bytes))
        else:
            self._timer.keep(limits.header_seconds, self._slow_head)

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._parsed = 0

    def on_url(self, url: bytes) -> None:
        """A part of the path."""
        self._count(len(url))
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._count(len(name) + len(value) + 4)  # with what is between them
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The end of a head: it is looked at before the body is read."""
        self._head, self._within, self._turn = 0, True, None
        if self._transport.is_closing():
            return
        parser = self._parser
        method = parser.get_method().decode()
        exchange = Exchange(self._app.service, Request(method, _path(self._url), self._headers))
        keeps = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        self._turn = Turn(exchange, keeps, method == "HEAD")
        if self._busy or self._line:
            self._transport.pause_reading()
        else:
            self._open(self._turn)

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        turn = self._turn
        if turn is None:
            return
        turn.parts.append(body)
        turn.size += len(body)
        if turn.opened and turn.size > turn.exchange.most:
            self._turn = None
            self._send(turn, turn.exchange.refuse(too_large(turn.exchange.most)))

    def on_message_complete(self) -> None:
        """The end of a body."""
        self._head, self._within = 0, False
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if turn.opened:
            self._answer(turn)
        else:
            self._line.append(turn)

    def pause_writing(self) -> None:
        """The client does not read: for so long it may."""
        self._transport.pause_reading()
        self._unread = self._loop.call_later(self._limits.body_seconds, self._transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        if not self._busy and not self._transport.is_closing():
            self._transport.resume_reading()

    def _open(self, turn: Turn) -> bool:
        """Whether the body is wanted; else it is refused already."""
        refused = turn.exchange.open(self._app.routes)
        if refused is None:
            turn.opened = True
            expected = turn.exchange.request.headers.get(b"expect", b"")
            if not turn.parts and expected.lower() == b"100-continue":
                self._transport.write(_CONTINUE)
            return True
        self._turn = None
        self._send(turn, refused)
        return False

    def _answer(self, turn: Turn) -> None:
        given = turn.exchange.answer(b"".join(turn.parts))
        if isinstance(given, Response):
            self._send(turn, given)
            return
        self._busy = True
        if isinstance(given, Soon):
            given.done = lambda response, _: self._made(turn, response)
            return
        task = self._loop.create_task(self._later(turn, given))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    async def _later(self, turn: Turn, given: Coroutine[Any, Any, Response]) -> None:
        try:
            response = await given
        finally:
            self._busy = False
        self._made(turn, response)

    def _made(self, turn: Turn, response: Response) -> None:
        self._busy = False
        self._send(turn, response)
        self._next()

    def _next(self) -> None:
        """Those in line, then what comes."""
        while self._line and not self._busy and not self._transport.is_closing():
            turn = self._line.popleft()
            if self._open(turn):
                self._answer(turn)
        if self._busy or self._transport.is_closing():
            return
        if self._turn is not None and not self._turn.opened:  # the rest of it is still to come
            self._open(self._turn)
        if self._unread is None:
            self._transport.resume_reading()
        self._wait()

    def _send(self, turn: Turn, response: Response) -> None:
        if self._transport.is_closing():
            return
        self._timer.stop()
        closes = self._ends or not turn.keeps or self._app.service.draining
        told = CLOSE[0] in response.headers
        more = [*self._state.default_headers, (b"x-request-id", turn.exchange.request.id.encode())]
        if closes and not told:
            more += CLOSE
        head = response.head(more)
        self._transport.write(head if turn.bare else head + response.body)
        self._state.total_requests += 1
        if closes or told:
            self._transport.close()

    def _refuse(self, error: ApiError) -> None:
        """Answer without the application, and close."""
        if not self._transport.is_closing():
            response = refusal(error)
            self._transport.write(response.head(CLOSE) + response.body)
            self._transport.close()

    def _idle(self) -> None:
        """Nothing was asked for a while: close, also where the last answer was not read."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def _slow_head(self) -> None:
        if self._head:
            seconds = self._limits.header_seconds
            self._refuse(ApiError(408, "slow_head", f"the head took longer than {seconds:g} s"))
        else:
            self._transport.close()

    def _slow_body(self) -> None:
        turn, self._turn = self._turn, None
        if turn is None or not turn.opened:
            self._transport.close()
        else:
            self._send(turn, turn.exchange.refuse(too_slow(turn.exchange.seconds)))

    def _count(self, size: int) -> None:
        """Stop the parser where a complete head is too large."""
        self._parsed += size
        if self._parsed > self._limits.header_bytes:
            self._error = _head_too_large(self._limits.header_bytes)
            raise httptools.HttpParserError


def _path(url: bytes) -> str:
    """The path that is asked for, also where a whole address is given."""
    path = httptools.parse_url(url).path if url[:1] != b"/" else url.partition(b"?")[0]
    text: str = (path or b"").partition(b"#")[0].decode("ascii")
    return unquote(text) if "%" in text else text


def _head_too_large(most: int) -> ApiError:
    return ApiError(431, "head_too_large", f"path and headers have more than {most:,} bytes")
