"""Whatever is sent, nothing becomes a mistake of the server, and nobody else notices.

While each test runs, good requests are sent beside it: all have to be answered, with the same
numbers as before.
"""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import Server, add_key, serving
from sklearn.datasets import load_wine

CALM = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
# a thousand in all
BODIES, CONVERSATIONS = settings(CALM, max_examples=160), settings(CALM, max_examples=10)
ROW = load_wine(as_frame=True).data.iloc[0].to_dict()
ODD = [
    *("transfer-encoding: chunked", "expect: 100-continue", "upgrade: websocket"),
    *("connection: close", "content-length: 3", "content-encoding: gzip"),
]
LIMITS = ["serving.limits.header_seconds=1", "serving.limits.body_seconds=1"]
PATHS = [
    *("/v1/models/wine/predict", "/v1/models/wine/feedback", "/v2/models/wine/infer"),
    "/v2/models/wine/versions/1/infer",
]


@pytest.fixture(scope="module")
def target(wine_bundle, tmp_path_factory) -> Iterator[tuple[Server, str]]:
    """A server that does not wait long for slow clients, and a key that has all scopes of use."""
    state = tmp_path_factory.mktemp("hostile")
    key = add_key(state, scopes=["predict", "feedback"])
    with serving(wine_bundle, state, *LIMITS) as server:
        yield server, key
        assert server.process.poll() is None
        server.end()
        assert not [line for line in server.log() if "traceback" in line]


@pytest.fixture(scope="module")
def client(target) -> Iterator[httpx.Client]:
    """One for all examples: a connection each would take most of the time."""
    server, key = target
    with server.client(key) as opened:
        yield opened


@pytest.fixture(autouse=True)
def good_requests(target, rows) -> Iterator[None]:
    """Good requests all along; each answer has to be the expected one."""
    server, key = target
    beside = server.client(key)
    body = {"rows": rows[:5]}
    expected = beside.post(PATHS[0], json=body).json()["predictions"]
    ended, wrong, count = threading.Event(), [], [0]

    def ask() -> None:
        while not ended.wait(0.02):
            try:
                answer = beside.post(PATHS[0], json=body)
                if answer.status_code != 200 or answer.json()["predictions"] != expected:
                    wrong.append(answer.text)
            except httpx.HTTPError as error:
                wrong.append(repr(error))
            count[0] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    ended.set()
    thread.join()
    beside.close()
    assert count[0] > 0
    assert not wrong, wrong[:3]


NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.sampled_from([1e308, -1e308, 1e31, 5e-324, 2**63, -0.0]),
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20),
    lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(max_size=8), one, max_size=4),
    max_leaves=12,
)  # fmt: skip


@st.composite
def rows_bodies(draw) -> bytes:
    """Nearly a body of rows: cells, columns or the frame around them are not what they should."""
    made = [dict(ROW) for _ in range(draw(st.integers(0, 4)))]
    for row in made:
        for name in draw(st.lists(st.sampled_from(sorted(row)), max_size=3)):
            row[name] = draw(VALUES)
        for name in draw(st.lists(st.sampled_from(sorted(row)), max_size=1)):
            del row[name]
        if draw(st.integers(0, 9)) == 0:
            row[draw(st.text(max_size=9))] = draw(VALUES)
    content = {"rows": made}
    if draw(st.integers(0, 3)) == 0:
        content["parameters"] = draw(VALUES)
    if draw(st.integers(0, 5)) == 0:
        content["rows"] = draw(VALUES)
    return orjson.dumps(content)


@st.composite
def tensor_bodies(draw) -> bytes:
    """Nearly a body of the V2 protocol."""
    shape = draw(st.lists(st.integers(-2, 2**40), max_size=3) | VALUES)
    datatype = draw(st.sampled_from(["FP32", "FP64", "INT64", "BOOL", "BYTES", "X", None]))
    tensor = {
        "name": draw(st.sampled_from(["numeric", "alcohol", "", None]) | VALUES),
        "shape": shape,
        "datatype": datatype,
        "data": draw(VALUES | st.lists(NUMBERS, max_size=14)),
    }
    for name in draw(st.lists(st.sampled_from(sorted(tensor)), max_size=1)):
        del tensor[name]
    if draw(st.booleans()):
        tensor["parameters"] = {"binary_data_size": draw(NUMBERS | VALUES)}
    content = {"inputs": [tensor] * draw(st.integers(0, 3)), "outputs": draw(VALUES)}
    return orjson.dumps(content)


@st.composite
def feedback_bodies(draw) -> bytes:
    """Nearly feedback."""
    ids = st.from_regex(r"[0-9a-f]{24}-[0-9]{1,9}", fullmatch=True) | VALUES
    entry = {"prediction_id": draw(ids), "label": draw(st.sampled_from(["class_0"]) | VALUES)}
    return orjson.dumps(draw(st.sampled_from([entry, {"feedback": [entry] * 3}, [entry]])))


@st.composite
def broken(draw, whole: st.SearchStrategy[bytes]) -> bytes:
    """A body with bytes left out, doubled, or put in: mostly no JSON or no UTF-8 any more."""
    body = draw(whole)
    at = draw(st.integers(0, len(body)))
    return draw(
        st.sampled_from(
            [body[:at], body + body, body[:at] + b"\xff\xfe" + body[at:], b"\xef\xbb\xbf" + body]
        )
        | st.binary(max_size=200)
    )


def tame(answer: httpx.Response) -> None:
    """A refusal in its one form, or an answer; never a mistake of the server."""
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        assert answer.json()["error"].keys() == {"code", "message", "field"}


@st.composite
def requests(draw) -> tuple[str, bytes, dict[str, bytes]]:
    """Path, body and headers."""
    whole = st.one_of(rows_bodies(), tensor_bodies(), feedback_bodies())
    body = draw(st.one_of(whole, whole, broken(whole)))
    kinds = [b"application/json", b"application/octet-stream", b"x", b""]
    headers = {"content-type": draw(st.sampled_from(kinds))}
    if draw(st.integers(0, 4)) == 0:
        lengths = st.integers(-3, 2**70).map(str) | st.sampled_from(["", "x", "1e3", "\u0663"])
        headers["inference-header-content-length"] = draw(lengths).encode()
    return draw(st.sampled_from(PATHS)), body, headers


@BODIES
@given(sent=st.lists(requests(), min_size=5, max_size=5))
def test_hostile_bodies(client, sent):
    for path, body, headers in sent:
        tame(client.post(path, content=body, headers=headers))


HAND_MADE = [
    b"", b"null", b"[]", b"{}", b'"rows"', b'{"rows":[]}', b'{"rows":{}}', b'{"rows":[[1]]}',
    b'{"rows":[{"alcohol":NaN}]}', b'{"rows":[{"alcohol":1e400}]}', b'{"rows":[{"a":-1e400}]}',
    b'{"rows":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"a":' * 99_999 + b"1" + b"}" * 99_999,
    b'{"rows":[{"alcohol":' + b"9" * 100_000 + b"}]}", b'{"rows":[{"alcohol":"\xc3\x28"}]}',
    b'{"rows":[{"alcohol":"\\ud800"}]}', b'{"rows":[' + b"{}," * 5000 + b"{}]}",
    b'{"feedback":' + b"[" * 1000 + b"]" * 1000 + b"}", b"\x00" * 1000, b" " * 1_000_000,
    b'{"rows":1,"rows":2}', b'{"inputs":[{"name":"numeric","shape":[1000000000000,13],'
    b'"datatype":"FP64","parameters":{"binary_data_size":104000000000000}}]}',
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_bodies_made_by_hand(client, path):
    for body in HAND_MADE:
        answer = client.post(path, content=body)
        tame(answer)
        assert answer.status_code >= 400, body[:50]


def exchanged(server: Server, sent: bytes) -> list[int]:
    """The statuses of what comes back for these bytes, after which our half is closed."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        received = b""
        with suppress(OSError):  # it may close while we still send
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while part := connection.recv(65536):
                received += part
    return statuses_of(received)


def statuses_of(received: bytes) -> list[int]:
    heads = [line for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    return [int(line.split()[1]) for line in heads]


@st.composite
def conversations(draw) -> bytes:
    """Nearly an HTTP request: wrong lengths, many or odd headers, odd lines, other bytes."""
    body = draw(st.sampled_from([b"", b"{}", b'{"rows": [{}]}', b"x" * 1000]))
    length = draw(st.sampled_from([len(body)] * 3 + [0, len(body) + 5, 2**40, -1, "x", "1, 2"]))
    lines = [
        draw(st.sampled_from(["POST", "GET", "PUT", "FOO", "", "\x00"]))
        + " "
        + draw(st.sampled_from([*PATHS, "/" + "x" * 70_000, "*", "", "/%00", "//", "/..%2f.."]))
        + draw(st.sampled_from([" HTTP/1.1", " HTTP/1.0", " HTTP/9.9", ""])),
        "host: localhost",
        "authorization: Bearer KEY",
        f"content-length: {length}",
    ]
    header = draw(st.sampled_from(["a: b", "x-request-id: " + "y" * 500, "bad", ": z"]))
    lines += [header] * draw(st.sampled_from([0, 0, 1, 3, 3000]))
    if draw(st.booleans()):
        lines.append(draw(st.sampled_from(ODD)))
    sent = "\r\n".join([*lines, "", ""]).encode() + body
    if draw(st.integers(0, 3)) == 0:
        sent = sent[: draw(st.integers(0, len(sent)))]
    return draw(st.sampled_from([sent, sent * 2])) + draw(st.binary(max_size=20))


@CONVERSATIONS
@given(sent=st.lists(conversations(), min_size=20, max_size=20))
def test_hostile_connections_that_are_half_closed(target, sent):
    server, key = target
    with ThreadPoolExecutor(20) as pool:
        pieces = [piece.replace(b"KEY", key.encode()) for piece in sent]
        for piece, statuses in zip(
            pieces, pool.map(partial(exchanged, server), pieces), strict=True
        ):
            assert all(status < 500 for status in statuses), (statuses, piece[:300])


def test_slow_clients_are_not_waited_for(target):
    server, key = target
    place = urlsplit(server.url)
    head = (
        f"POST {PATHS[0]} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        "content-length: 100\r\n\r\n"
    ).encode()
    starts = [head, head + b'{"rows', head[:30], b"P", head[:-2] + b"x: "] * 20
    with ExitStack() as held:
        connections = []
        for start in starts:
            connection = socket.create_connection((place.hostname, place.port), timeout=30)
            connections.append(held.enter_context(connection))
            connection.sendall(start)
        for connection in connections:
            received = b""
            with suppress(ConnectionError):
                while part := connection.recv(4096):
                    received += part
            assert statuses_of(received) == [408]


def test_a_flood_of_connections_that_say_nothing(target):
    server, _ = target
    place = urlsplit(server.url)
    with ExitStack() as held:
        for _ in range(300):
            held.enter_context(socket.create_connection((place.hostname, place.port), timeout=30))
        assert httpx.get(f"{server.url}/health/live", timeout=30).status_code == 200
