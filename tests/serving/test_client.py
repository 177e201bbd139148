"""The Python client, against a real service, and against servers that break in every way."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from kinds import fresh

from bigmodel.client import AsyncClient, Client, Refused, Unreachable

ROW = [{"a": 1}]
BUSY = b"HTTP/1.1 503 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
GOOD = b'{"predictions":[{"prediction":"x"}],"model_version":"1","prediction_ids":["i-0"]}'
ANSWER = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(GOOD), GOOD)


class Script:
    """A server that gives each connection the next of its answers: None breaks it off."""

    def __init__(self, *answers: bytes | None) -> None:
        self.asked = 0
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for answer in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: nobody asked again
                return
            with connection:
                connection.recv(65_536)
                self.asked += 1
                if answer is not None:
                    connection.sendall(answer)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def script() -> Iterator:
    made: list[Script] = []

    def make(*answers: bytes | None) -> Script:
        made.append(Script(*answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_predictions_and_feedback(service, rows):
    with Client(service.server.url, service.full) as client:
        answer = client.predict("wine", rows[:3], top_k=2)
        stored = client.feedback("wine", dict(zip(answer.ids, answer.values, strict=True)))
        again = client.feedback("wine", {answer.ids[0]: answer.values[0]})
        told = client.model("wine")
    assert len(answer.values) == 3
    assert [len(one) for one in answer.probabilities] == [2, 2, 2]
    assert answer.model_version == told["version"]
    assert (stored.stored, stored.known) == (3, 0)
    assert (again.stored, again.known) == (0, 1)


def test_the_same_with_async(service, rows):
    async def ask():
        async with AsyncClient(service.server.url, service.full) as client:
            many = await asyncio.gather(*(client.predict("wine", rows[:2]) for _ in range(8)))
            stored = await client.feedback("wine", {many[0].ids[0]: many[0].values[0]})
            return many, stored, await client.model("wine")

    many, stored, told = asyncio.run(ask())
    assert {tuple(one.values) for one in many} == {tuple(many[0].values)}
    assert (stored.stored, told["name"]) == (1, "wine")


def test_a_frame_goes_in_as_it_is(two_classes):
    server, wanted, _ = two_classes
    frame = fresh("binary")
    with Client(server.url) as client:
        answer = client.predict("binary", frame.to_dict("records"))
    assert answer.values == wanted["prediction"].tolist()


def test_values_of_numpy_and_pandas(script):
    server = script(ANSWER)
    cells = {
        "a": np.float32(1),
        "b": np.nan,
        "c": pd.NaT,
        "d": pd.Timestamp("2026-01-31"),
        "e": b"x",
    }
    with Client(server.url) as client:
        assert client.predict("m", [cells]).values == ["x"]


def test_a_refusal_is_raised_with_what_the_service_says(service, rows):
    with (
        Client(service.server.url, service.full) as client,
        pytest.raises(Refused, match=r"422 invalid: .*rows\[0\]\.ash") as caught,
    ):
        client.predict("wine", [{**rows[0], "ash": "x"}])
    assert (caught.value.status, caught.value.code, caught.value.field) == (
        422, "invalid", "rows[0].ash",
    )  # fmt: skip


def test_who_is_busy_or_broken_is_asked_again(script):
    server = script(BUSY, None, ANSWER)
    with Client(server.url) as client:
        assert client.predict("m", ROW).values == ["x"]
    assert server.asked == 3


def test_the_retries_end(script):
    server = script(BUSY, BUSY, ANSWER)
    with Client(server.url, retries=1) as client, pytest.raises(Refused, match="503"):
        client.predict("m", ROW)
    assert server.asked == 2


@pytest.mark.parametrize("status", [400, 401, 409, 422, 500, 502, 507])
def test_what_would_come_out_the_same_is_not_repeated(script, status):
    server = script(BUSY.replace(b"503", b"%d" % status), ANSWER)
    with Client(server.url) as client, pytest.raises(Refused, match=str(status)):
        client.predict("m", ROW)
    assert server.asked == 1


def test_who_is_slow_is_not_asked_twice():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url, timeout=0.2) as client, pytest.raises(Unreachable, match=url):
            client.predict("m", ROW)
        listener.settimeout(0.1)
        listener.accept()[0].close()
        with pytest.raises(TimeoutError):
            listener.accept()


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Client(url, retries=1) as client, pytest.raises(Unreachable, match=url):
        client.model("m")
