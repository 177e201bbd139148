"""What was acknowledged is on the disk: after `kill -9`, and when the disk is full."""

import resource
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from running import Server, serving

PREDICT, FEEDBACK = "/v1/models/wine/predict", "/v1/models/wine/feedback"


def labels(state: Path) -> set[str]:
    """The ids with a label, of an intact store."""
    with sqlite3.connect(state / "records.sqlite") as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        return {f"{r}-{n}" for r, n in db.execute("select request, row from labels")}


def send(server: Server, rows: list, acknowledged: list[str]) -> None:
    """Predictions and their feedback, until the server is gone."""
    with server.client() as client, suppress(httpx.TransportError):
        while True:
            answer = client.post(PREDICT, json={"rows": rows}).json()
            for prediction in answer["prediction_ids"]:
                body = {"prediction_id": prediction, "label": "class_1"}
                assert client.post(FEEDBACK, json=body).json()["stored"] == 1
                acknowledged.append(prediction)


@pytest.mark.parametrize("after", [1, 40, 150])
def test_no_acknowledged_feedback_is_lost_by_a_kill(tmp_path, wine_bundle, rows, after):
    acknowledged: list[str] = []
    with serving(wine_bundle, tmp_path) as server:
        threads = [
            threading.Thread(target=send, args=(server, rows[:5], acknowledged)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        while len(acknowledged) < after:
            assert server.process.poll() is None
        server.end(signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert set(acknowledged) <= labels(tmp_path)


@contextmanager
def tiny_disk(path: Path) -> Iterator[dict]:
    """A file system of 1 MB at `path`; yields what starts a server on it."""
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], check=False)
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield {}
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@contextmanager
def refused_files(path: Path) -> Iterator[dict]:
    """The system refuses files above 400 kB, as it does when a quota is used up."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    yield {"preexec_fn": limit}


@pytest.mark.parametrize("disk", [tiny_disk, refused_files])
def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path, wine_bundle, rows, disk):
    state = tmp_path / "state"
    with disk(state) as popen, serving(wine_bundle, state, **popen) as server:
        with server.client() as client:
            acknowledged, refused = fill(client, rows)
            assert acknowledged
            assert refused.json()["error"]["code"] == "store_full"
            for _ in range(3):  # predictions go on
                assert client.post(PREDICT, json={"rows": rows}).status_code == 200
            assert client.get("/health/ready").status_code == 200
            lost = 'bigmodel_records_total{kind="prediction",outcome="lost"}'
            assert lost in client.get("/metrics").text
            if disk is tiny_disk:  # room again: feedback is taken again, without a restart
                subprocess.run(["mount", "-o", "remount,size=9m", state], check=True)
                again = client.post(PREDICT, json={"rows": rows[:1]}).json()["prediction_ids"]
                body = {"prediction_id": again[0], "label": "class_2"}
                assert client.post(FEEDBACK, json=body).json()["joined"] == 1
                acknowledged |= set(again)
        server.end(signal.SIGKILL)
        assert acknowledged <= labels(state)


def fill(client: httpx.Client, rows: list) -> tuple[set[str], httpx.Response]:
    """Predict and send feedback until the disk is full; the ids that were acknowledged."""
    acknowledged: set[str] = set()
    for _ in range(500):
        answer = client.post(PREDICT, json={"rows": rows})
        assert answer.status_code == 200
        ids = answer.json()["prediction_ids"]
        feedback = [{"prediction_id": i, "label": "class_1"} for i in ids]
        answer = client.post(FEEDBACK, json={"feedback": feedback})
        if answer.status_code == 507:
            return acknowledged, answer
        assert answer.status_code == 200
        acknowledged |= set(ids)
    raise AssertionError("the disk is not full yet")
