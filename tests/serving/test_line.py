"""Requests that come before an earlier one is answered, on one connection."""

import asyncio
from types import SimpleNamespace

from uvicorn.config import Config
from uvicorn.server import ServerState

from bigmodel.serving.http import Response
from bigmodel.serving.protocol import Protocol
from bigmodel.serving.routes import Route, Routes
from bigmodel.serving.settings import Limits

LIMITS = Limits(
    body_bytes=1000, push_bytes=1000, header_bytes=4096, rows=10, connections=10,
    header_seconds=60, body_seconds=60, idle_seconds=60,
)  # fmt: skip


def app(handle) -> SimpleNamespace:
    """What a connection asks, with one path that needs no key."""
    nothing = lambda *_: None  # noqa: E731
    service = SimpleNamespace(
        settings=SimpleNamespace(limits=LIMITS),
        draining=False,
        metrics=SimpleNamespace(observe=nothing),
        log=SimpleNamespace(answered=nothing),
        monitor=SimpleNamespace(refused=nothing),
    )
    return SimpleNamespace(service=service, routes=Routes([Route("POST", "/x", None, handle)]))


def told(handle, sent: list[bytes]) -> list[bytes]:
    """The answers to these pieces, each sent when the server has had time for the last."""

    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        config = Config(app(handle), http=Protocol, log_config=None)
        state = ServerState()
        server = await loop.create_server(
            lambda: Protocol(config, state, {}, loop), "127.0.0.1", port=0
        )
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for piece in sent:
            writer.write(piece)
            await asyncio.sleep(0.02)
        received = await reader.read()
        writer.close()
        server.close()
        return received

    parts = asyncio.run(asyncio.wait_for(run(), 60)).split(b"HTTP/1.1 ")[1:]
    return [part[:3] + b" " + part.partition(b"\r\n\r\n")[2] for part in parts]


def post(body: bytes, more: bytes = b"", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n%b\r\n%b" % (size, more, body)


LAST = b"connection: close\r\n"


def at_once(service, request) -> Response:
    return Response(request.content.upper(), b"text/plain")


async def later(service, request) -> Response:
    await asyncio.sleep(0.1)
    return at_once(service, request)


def mixed(service, request):
    """Some are answered at once, some later."""
    return (later if b"slow" in request.content else at_once)(service, request)


def test_answers_go_out_in_order():
    sent = [post(b"slow a") + post(b"b") + post(b"slow c") + post(b"d", LAST)]
    wanted = [b"200 SLOW A", b"200 B", b"200 SLOW C", b"200 D"]
    assert told(mixed, sent) == wanted
    assert told(mixed, [bytes([one]) for one in post(b"a") + post(b"b", LAST)]) == [
        b"200 A",
        b"200 B",
    ]


def test_a_body_that_begins_behind_a_slow_request_is_read_in_its_turn():
    sent = [post(b"slow a") + post(b"b", LAST, length=4), b"cde"]
    assert told(mixed, sent) == [b"200 SLOW A", b"200 BCDE"]


def test_a_body_behind_a_slow_request_may_be_no_larger():
    answers = told(mixed, [post(b"slow a") + post(b"b", length=2000)])
    assert [one[:3] for one in answers] == [b"200", b"413"]
    chunks = b"POST /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks += b"400\r\n" + b"x" * 1024 + b"\r\n"
    answers = told(mixed, [post(b"slow a") + chunks, b"400\r\n" + b"x" * 1024 + b"\r\n"])
    assert [one[:3] for one in answers] == [b"200", b"413"]


def test_what_is_no_http_behind_a_slow_request_ends_the_connection_after_it():
    assert told(mixed, [post(b"slow a"), b"\x00\x01nothing\r\n\r\n"]) == [b"200 SLOW A"]


def test_a_refused_body_is_passed_over():
    other = b"POST /y HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab"
    answers = told(mixed, [other, b"cd" + post(b"e", LAST)])
    assert [one[:3] for one in answers] == [b"404", b"200"]


def test_the_body_is_asked_for_where_the_client_waits_for_that():
    sent = [post(b"", b"expect: 100-continue\r\n" + LAST, length=1), b"a"]
    assert told(mixed, sent) == [b"100 ", b"200 A"]
