"""Connections that are slow, broken, too large or too many hold nobody up."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson
import pytest
from running import Server, serving

LIMITS = {"header_seconds": 1, "body_seconds": 1, "idle_seconds": 1, "connections": 20}
LIMITS |= {"header_bytes": 4096, "body_bytes": 20_000}
PREDICT = b"POST /v1/models/wine/predict HTTP/1.1\r\nhost: localhost\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def tight(wine_bundle, tmp_path_factory) -> Iterator[Server]:
    """A server that has no patience."""
    limits = [f"serving.limits.{name}={value}" for name, value in LIMITS.items()]
    state = tmp_path_factory.mktemp("tight")
    with serving(wine_bundle, state, *limits, "serving.drain_seconds=0.1") as server:
        yield server


def connect(server: Server) -> socket.socket:
    place = urlsplit(server.url)
    return socket.create_connection((place.hostname, place.port), timeout=30)


def told(server: Server, sent: bytes, half_close: bool = False) -> bytes:
    """All that comes back for these bytes, until the server closes."""
    with connect(server) as connection:
        received = b""
        try:
            connection.sendall(sent)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                received += piece
        except ConnectionError:  # closed while more was being sent
            pass
        return received


def refused(answer: bytes) -> tuple[int, str]:
    """Status and code."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head[9:12]), orjson.loads(body)["error"]["code"]


def test_a_head_that_does_not_end_in_time(tight):
    assert refused(told(tight, LIVE + b"a: ")) == (408, "slow_head")


def test_a_body_that_does_not_end_in_time(tight):
    sent = PREDICT + b"content-length: 100\r\n\r\n{"
    assert refused(told(tight, sent)) == (408, "slow_body")


@pytest.mark.parametrize("end", [b"\r\n\r\n", b""], ids=["complete", "endless"])
@pytest.mark.parametrize(
    "flood", [b"a: " + b"x" * 9000, b"a: x\r\n" * 2000], ids=["one header", "many headers"]
)
def test_a_head_that_is_too_large(tight, flood, end):
    answer = told(tight, LIVE + flood + end)
    assert not answer or refused(answer) == (431, "head_too_large")


def test_a_path_that_is_too_long(tight):
    answer = told(tight, b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert refused(answer) == (431, "head_too_large")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(tight):
    sent = PREDICT + b"content-length: 999999999999\r\n\r\n"
    assert refused(told(tight, sent)) == (413, "body_too_large")


def test_a_body_that_grows_too_large(tight):
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    answer = told(tight, PREDICT + b"transfer-encoding: chunked\r\n\r\n" + chunk * 6)
    assert not answer or refused(answer) == (413, "body_too_large")


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the hello of TLS
        b"GET / HTTP/9.9\r\n\r\n",
        LIVE + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
        PREDICT + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        PREDICT + b"content-length: -1\r\n\r\n",
        PREDICT + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_http(tight, sent):
    answer = told(tight, sent)
    assert not answer or refused(answer) == (400, "not_http") or b" 404 " in answer


def test_a_body_that_breaks_off_gets_no_answer(tight):
    assert told(tight, PREDICT + b"content-length: 100\r\n\r\n{", half_close=True) == b""


def test_requests_that_come_together_are_answered_in_their_order(tight):
    nothing = b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n"
    answer = told(tight, LIVE + b"\r\n" + nothing + LIVE + b"connection: close\r\n\r\n")
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 404, 200]


def test_an_idle_connection_is_closed(tight):
    assert told(tight, LIVE + b"\r\n").startswith(b"HTTP/1.1 200")
    assert told(tight, b"") == b""


def test_a_change_to_another_protocol_is_not_made(tight):
    sent = LIVE + b"connection: upgrade, close\r\nupgrade: websocket\r\n\r\n"
    assert told(tight, sent).startswith(b"HTTP/1.1 200")


def test_more_connections_than_there_may_be(tight):
    held = [connect(tight) for _ in range(LIMITS["connections"])]
    try:
        for connection in held:
            connection.sendall(LIVE + b"\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        assert refused(told(tight, LIVE + b"\r\n")) == (503, "too_many_connections")
    finally:
        for connection in held:
            connection.close()


def test_slow_ones_do_not_keep_good_requests_waiting(tight, rows):
    slow = [connect(tight) for _ in range(10)]
    try:
        for connection in slow:
            connection.sendall(PREDICT + b"content-length: 100\r\n\r\n{")
        with tight.client() as client:
            answer = client.post("/v1/models/wine/predict", json={"rows": rows[:2]})
        assert answer.status_code == 200
        for connection in slow:  # they are still waiting
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
    finally:
        for connection in slow:
            connection.close()
