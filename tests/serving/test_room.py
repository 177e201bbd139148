"""How much a key may ask, and who is refused first when there is no room."""

import asyncio
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from running import Server, add_key, serving

from bigmodel.serving.admission import Admission, Shed
from bigmodel.serving.auth import ANYONE
from bigmodel.serving.guard import Ticket

PREDICT = "/v1/models/wine/predict"


def asked(server: Server, key: str, rows: list) -> tuple[int, dict]:
    """The status of a prediction, and the headers."""
    with server.client(key) as client:
        answer = client.post(PREDICT, json={"rows": rows})
    return answer.status_code, answer.headers


def test_a_key_has_its_rate_and_says_when_to_come_again(service, rows):
    state = service.server.state
    slow, other = add_key(state, rate=0.01, burst=2), add_key(state, rate=0.01, burst=1)
    statuses = [asked(service.server, slow, rows[:1])[0] for _ in range(2)]
    status, headers = asked(service.server, slow, rows[:1])
    assert [*statuses, status] == [200, 200, 429]
    assert 60 <= int(headers["retry-after"]) <= 100
    assert asked(service.server, other, rows[:1])[0] == 200  # each key has its own


def test_a_quota_outlives_the_server(tmp_path, wine_bundle, rows):
    key = add_key(tmp_path, daily=3)
    with serving(wine_bundle, tmp_path) as server:
        assert [asked(server, key, rows[:1])[0] for _ in range(2)] == [200, 200]
    with serving(wine_bundle, tmp_path) as server:
        assert asked(server, key, rows[:1])[0] == 200
        status, headers = asked(server, key, rows[:1])
        assert status == 429
        assert 0 < int(headers["retry-after"]) <= 86_400


@contextmanager
def half_sent(server: Server, key: str):
    """A request whose body does not come."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port)) as connection:
        head = f"POST {PREDICT} HTTP/1.1\r\nhost: {place.hostname}\r\ncontent-length: 9\r\n"
        connection.sendall(f"{head}authorization: Bearer {key}\r\n\r\n".encode())
        yield connection


def in_flight(server: Server, key: str) -> int:
    """How many requests are, besides the one that asks this."""
    with server.client(key) as client:
        text = client.get("/metrics").text
    (line,) = [t for t in text.splitlines() if t.startswith("bigmodel_requests_in_flight ")]
    return int(float(line.split()[1])) - 1


def wait_for(server: Server, key: str, count: int) -> None:
    end = time.monotonic() + 30
    while in_flight(server, key) != count:
        assert time.monotonic() < end, "the requests in flight are not counted"
        time.sleep(0.02)


def test_low_priorities_are_refused_first_and_before_their_body(tmp_path, wine_bundle, rows):
    low, normal, high = (
        add_key(tmp_path, priority=name, daily=2) for name in ("low", "normal", "high")
    )
    admin, filler = add_key(tmp_path, scopes=["admin"], priority="high"), add_key(tmp_path)
    with serving(wine_bundle, tmp_path, "serving.room.in_flight=8") as server:
        with ExitStack() as held:
            for _ in range(4):
                held.enter_context(half_sent(server, filler))
            wait_for(server, admin, 4)
            with half_sent(server, low) as connection:
                head = connection.recv(4096).decode().lower()
            assert head.startswith("http/1.1 503")
            assert "retry-after: " in head
            assert asked(server, normal, rows[:1])[0] == 200
            for _ in range(2):
                held.enter_context(half_sent(server, filler))
            wait_for(server, admin, 6)
            assert asked(server, normal, rows[:1])[0] == 503
            assert asked(server, high, rows[:1])[0] == 200
        wait_for(server, admin, 0)
        # what was refused for lack of room did not count
        assert [asked(server, low, rows[:1])[0] for _ in range(3)] == [200, 200, 429]
        assert [asked(server, normal, rows[:1])[0] for _ in range(2)] == [200, 429]


def test_nobody_is_let_in_who_would_wait_too_long():
    async def run() -> None:
        admission = Admission(limit=1000, deadline=0.1)
        for _ in range(3):  # an answer takes 20 ms or more
            admission.enter("normal")
            admission.begin()
            await asyncio.sleep(0.02)
            admission.end()
            admission.leave()
        for _ in range(6):
            admission.enter("high")
        for _ in range(6):
            admission.begin()
        await asyncio.sleep(0.01)
        with pytest.raises(Shed) as refused:
            admission.enter("high")
        assert refused.value.reason == "deadline"
        for _ in range(6):
            admission.end()
            admission.leave()
        admission.enter("low")  # nothing waits: whatever one answer took, the next may try

    asyncio.run(run())


def test_a_blocked_loop_refuses_what_has_waited_in_the_sockets():
    async def run() -> None:
        admission = Admission(limit=1000, deadline=0.05)
        admission.enter("normal")
        time.sleep(0.06)  # a model that answers within the loop
        with pytest.raises(Shed):
            admission.enter("normal")
        for _ in range(1000):  # soon it is not late any more
            await asyncio.sleep(0.05)
            with suppress(Shed):
                return admission.enter("normal")
        raise AssertionError("never let in again")

    asyncio.run(run())


def test_work_that_would_end_too_late_is_not_begun():
    async def run() -> None:
        told = []
        admission = Admission(limit=10, deadline=0.04)
        admission.enter("normal")
        ticket = Ticket(ANYONE, admission, SimpleNamespace(shed=lambda *what: told.append(what)))
        await asyncio.sleep(0.04)
        with pytest.raises(Shed):
            ticket.still()
        assert told == [("late", "normal")]
        ticket.release()
        assert admission.in_flight == 0

    asyncio.run(run())
