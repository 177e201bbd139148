"""Two workers are one service: also while one is replaced, is killed, or their supervisor is."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import versions
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter
from running import Server, add_key, serving

from bigmodel.config.compose import settings
from bigmodel.serving.executor import Running
from bigmodel.serving.keys import SCOPES
from bigmodel.serving.settings import Serving
from bigmodel.serving.worker import Place

PREDICT = "/v1/models/wine/predict"
TWO = (
    "serving.workers=2",
    "serving.drain_seconds=1",
    "serving.room.deadline_seconds=30",  # tests may run beside others
)


def workers(server: Server) -> list[int]:
    """The processes of the workers, of those that go, too."""
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("not within a minute")


@contextmanager
def only(server: Server, which: int) -> Iterator[None]:
    """Meanwhile this worker alone answers: the others stand still."""
    others = [process for number, process in enumerate(sorted(workers(server))) if number != which]
    for process in others:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in others:
            os.kill(process, signal.SIGCONT)


class Load:
    """Clients that keep their connections and ask on and on; what they were answered."""

    def __init__(self, server: Server, key: str, rows: list, again: bool = False) -> None:
        self.answers: Counter[int | str] = Counter()
        self._server, self._key, self._rows, self._again = server, key, rows[:2], again
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]

    def _run(self) -> None:
        with self._server.client(self._key) as client:
            while not self._stopped.is_set():
                try:
                    answer = client.post(PREDICT, json={"rows": self._rows})
                    self.answers[answer.status_code] += 1
                except httpx.TransportError as error:
                    self.answers[type(error).__name__] += 1
                    if not self._again:
                        return

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        self.more(50)
        return self

    def more(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = self.answers.total() + count
        until(lambda: self.answers.total() >= wanted)

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=60)


@pytest.fixture(scope="module")
def two(wine_bundle, tmp_path_factory) -> Iterator[tuple[Server, str]]:
    """Two workers, and a key with all scopes."""
    state = tmp_path_factory.mktemp("two") / "state"
    key = add_key(state, scopes=SCOPES)
    with serving(wine_bundle, state, *TWO) as server:
        yield server, key


def figure(server: Server, key: str, name: str) -> float:
    """The sum of the samples of this name, whatever their labels."""
    with server.client(key) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return sum(s.value for family in families for s in family.samples if s.name == name)


def asked(server: Server, key: str | None, rows: list, times: int = 1) -> list[int]:
    with server.client(key) as client:
        body = {"rows": rows[:1]}
        return [client.post(PREDICT, json=body).status_code for _ in range(times)]


def test_each_answers_and_all_have_one_set_of_figures(two, rows):
    server, key = two
    before = figure(server, key, "bigmodel_rows_total")
    for worker in (0, 1):
        with only(server, worker):
            assert asked(server, key, rows, 3) == [200] * 3
    for worker in (0, 1):
        with only(server, worker):
            assert figure(server, key, "bigmodel_workers") == 2
        until(lambda: figure(server, key, "bigmodel_rows_total") == before + 6)
    assert figure(server, key, "bigmodel_ready") == 2
    assert figure(server, key, "bigmodel_model_info") == 1
    assert figure(server, key, "bigmodel_process_resident_bytes") > 50e6
    numbers = {line["worker"] for line in server.log() if line["event"] == "request"}
    assert numbers == {1, 2}


def test_a_key_has_one_rate_and_one_quota(two, rows):
    server, _ = two
    for limit in ({"rate": 0.001, "burst": 4}, {"daily": 4}):
        key = add_key(server.state, **limit)
        statuses = []
        for worker in (0, 1, 0):
            with only(server, worker):
                statuses += asked(server, key, rows, 2)
        assert statuses == [200] * 4 + [429] * 2


def test_a_reload_loses_no_request(two, rows):
    server, key = two
    old = set(workers(server))
    with Load(server, key, rows) as load:
        counted = figure(server, key, "bigmodel_requests_total")
        server.process.send_signal(signal.SIGHUP)
        while old & set(workers(server)):  # counts do not fall while workers come and go
            before, counted = counted, figure(server, key, "bigmodel_requests_total")
            assert counted >= before
            with server.client() as client:
                assert client.get("/health/ready").status_code == 200
        load.more(50)
    assert set(load.answers) == {200}
    assert len(workers(server)) == 2


def test_a_killed_worker_breaks_only_what_it_was_at(two, rows):
    server, key = two
    with Load(server, key, rows, again=True) as load:
        counted = figure(server, key, "bigmodel_requests_total")
        failures = figure(server, key, "bigmodel_worker_failures_total")
        killed = max(workers(server))
        os.kill(killed, signal.SIGKILL)
        until(lambda: figure(server, key, "bigmodel_worker_failures_total") == failures + 1)
        assert figure(server, key, "bigmodel_requests_total") >= counted
        until(lambda: figure(server, key, "bigmodel_workers") == 2)
        load.more(50)
    broken = load.answers.total() - load.answers[200]
    assert broken <= 4  # one for each client
    assert killed not in workers(server)


def test_sigterm_ends_without_a_broken_answer(wine_bundle, rows, tmp_path):
    with serving(wine_bundle, tmp_path, *TWO) as server:
        processes = workers(server)
        with httpx.Client(base_url=server.url, timeout=30) as client:
            answer = client.post(PREDICT, json={"rows": rows[:1]})
            server.process.send_signal(signal.SIGTERM)
            while answer.headers.get("connection") != "close":
                answer = client.post(PREDICT, json={"rows": rows[:1]})
                assert answer.status_code == 200
        assert server.end() == 0
    assert not any(Path(f"/proc/{process}").exists() for process in processes)


def test_when_the_supervisor_is_killed_another_start_serves_on(wine_bundle, rows, tmp_path):
    with serving(wine_bundle, tmp_path, *TWO) as server:
        processes = workers(server)
        port = server.url.rpartition(":")[2]
        assert server.end(signal.SIGKILL) == -9
    with (
        serving(wine_bundle, tmp_path, *TWO, f"serving.port={port}") as server,
        server.client() as c,
    ):
        until(lambda: not any(Path(f"/proc/{process}").exists() for process in processes))
        assert c.post(PREDICT, json={"rows": rows[:1]}).status_code == 200


def test_workers_share_memory_room_and_cores():
    given = settings("serve", ["bundle=none", "serving.memory_limit=3000000000"])["serving"]
    whole, place = TypeAdapter(Serving).validate_python(given), Place(1, 3, 0, 0, 0)
    shared = place.share(whole)
    assert shared.memory_limit == 1_000_000_000
    assert 3 * shared.room.in_flight >= whole.room.in_flight
    assert [place.cores(cores) for cores in (1, 3, 8)] == [1, 1, 2]
    assert Running(threads=2, cores=5).at_a_time == 2


@pytest.mark.slow
def test_workers_judge_versions_as_one_and_a_restart_forgets_nothing(wine_bundle, rows, tmp_path):
    other = versions.same(wine_bundle, tmp_path / "other", 1)
    place = tmp_path / "models"
    registry, named = versions.registry_of(place, {"stable": wine_bundle, "canary": other})
    registry.edit("wine", lambda state: state.with_canary(named["canary"], 50.0))

    def seen(server: Server) -> int:
        with server.client() as client:
            told = client.get("/v1/models/wine").json()["comparisons"]["canary"]["criteria"]
        return told["errors"]["count"] + told["errors"]["reference_count"]

    with serving(place, tmp_path / "state", *TWO, what="registry") as server:
        for worker in (0, 1):
            with only(server, worker):
                assert asked(server, None, rows, 10) == [200] * 10
        until(lambda: all(seen(server) == 20 for _ in range(8)))  # whichever of them is asked
    with serving(place, tmp_path / "state", *TWO, what="registry") as server:
        until(lambda: seen(server) == 20)
