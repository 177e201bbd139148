"""Served models that keep learning: real servers, real feedback, real kills."""

import os
import signal
import sqlite3
import subprocess
import threading
from contextlib import suppress

import httpx
import pytest
from live_service import (
    FEEDBACK,
    after,
    ask,
    exactly_once,
    learnt,
    log_of,
    number,
    served,
    table,
    until,
)
from running import BIGMODEL

from bigmodel.errors import UserError
from bigmodel.replay import replay

UNKNOWN = "0" * 24 + "-0"


def test_it_learns_from_feedback_and_says_who_answered(live_bundle, tmp_path):
    with served(live_bundle, tmp_path) as (_, client):
        first, _ = ask(client, table(4))
        right = []
        for seed in range(1, 13):
            frame = table(32, seed, turned=True)
            content, body = ask(client, frame)
            said = [one["prediction"] for one in content["predictions"]]
            right.append(sum(a == b for a, b in zip(said, frame.label, strict=True)) / 32)
            told = client.post(FEEDBACK, json=body).json()
            assert told["learning"] == {"queued": 32, "known": 0, "refused": {}}
            after(content, client)
        assert right[0] < 0.3
        assert sum(right[-4:]) / 4 > 0.85
        assert first["model_version"].startswith(f"{log_of(tmp_path).name}+")
        figures = learnt(client)
        assert figures["quality"]["gain"] > 0.2
        assert figures["counts"]["learnt"] == 12 * 32
        assert figures["join_rate"] == 1.0
        assert figures["problem"] is None
        assert abs(sum(figures["weights"].values())) > 0
        metrics = client.get("/metrics").text
        for name in ("quality", "weight", "drifts_total", "label_delay_seconds", "waiting"):
            assert f"bigmodel_learning_{name}{{" in metrics
        assert (
            f'bigmodel_learning_version{{model="live",version="{log_of(tmp_path).name[:12]}"}}'
            in (metrics)
        )


def test_every_label_that_is_not_learnt_is_answered_by_name(live_bundle, tmp_path):
    with served(live_bundle, tmp_path) as (_, client):
        content, body = ask(client, table(3))
        assert client.post(FEEDBACK, json=body).json()["learning"]["queued"] == 3
        again = client.post(FEEDBACK, json=body)
        assert (again.status_code, again.json()["learning"]["known"]) == (200, 3)
        unknown = client.post(FEEDBACK, json={"prediction_id": UNKNOWN, "label": "yes"})
        assert unknown.status_code == 404
        assert unknown.json()["error"]["code"] == "unknown_prediction"
        _, more = ask(client, table(1, seed=5))
        more["feedback"].append({"prediction_id": UNKNOWN.replace("0", "1", 1), "label": "no"})
        told = client.post(FEEDBACK, json=more).json()["learning"]
        assert told == {"queued": 1, "known": 0, "refused": {"unknown": 1}}
        ids = content["prediction_ids"]
        wrong = client.post(FEEDBACK, json={"prediction_id": ids[0], "label": "maybe"})
        assert wrong.status_code == 422
        until(lambda: learnt(client)["counts"].get("learnt") == 4)
    assert len(exactly_once(log_of(tmp_path))) == 4


def test_a_label_that_comes_too_late_is_gone(live_bundle, tmp_path):
    with served(live_bundle, tmp_path) as (_, client):
        _, body = ask(client, table(1))
        until(lambda: stored(tmp_path) == 1)
        with sqlite3.connect(tmp_path / "records.sqlite") as db:
            db.execute("update memories set expires = time + (unixepoch() - time) / 2 - 1")
            db.execute("update memories set time = expires - 1e6")
        answer = client.post(FEEDBACK, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (410, "expired_prediction")


def stored(state):
    with sqlite3.connect(state / "records.sqlite") as db:
        return db.execute("select count(*) from memories").fetchone()[0]


def test_killed_again_and_again_it_loses_nothing_and_goes_on(live_bundle, tmp_path, capsys):
    acknowledged = set()
    for kill in range(2):
        with served(live_bundle, tmp_path) as (server, client):
            ending = threading.Timer(
                0.3 + 0.2 * kill, os.kill, (server.process.pid, signal.SIGKILL)
            )
            ending.start()
            with suppress(httpx.TransportError):
                for seed in range(10_000):
                    _, body = ask(client, table(8, seed, turned=True))
                    answer = client.post(FEEDBACK, json=body)
                    assert answer.status_code == 200
                    acknowledged |= {one["prediction_id"] for one in body["feedback"]}
            ending.join()
    assert acknowledged
    with served(live_bundle, tmp_path) as (_, client):
        _, body = ask(client, table(4))
        assert client.post(FEEDBACK, json=body).json()["learning"]["queued"] == 4
        with sqlite3.connect(log_of(tmp_path) / "events.sqlite") as db:
            count = db.execute("select max(seq) from events").fetchone()[0]
            until(lambda: db.execute("select max(last) from versions").fetchone()[0] == count)
        version = learnt(client)["version"]
    assert acknowledged <= set(exactly_once(log_of(tmp_path)))
    assert replay(bundle=str(live_bundle), log=str(log_of(tmp_path))) == version
    assert "bit for bit" in capsys.readouterr().out


def test_labels_of_before_a_restart_are_learnt_after_it(live_bundle, tmp_path):
    with served(live_bundle, tmp_path) as (_, client):
        _, body = ask(client, table(8, turned=True))
    with served(live_bundle, tmp_path) as (_, client):
        assert client.post(FEEDBACK, json=body).json()["learning"]["queued"] == 8
        until(lambda: learnt(client)["counts"].get("learnt") == 8)
        was = learnt(client)["version"]
    with served(live_bundle, tmp_path, "serving.learn=false") as (_, client):
        assert learnt(client)["version"] == was
        _, body = ask(client, table(2))
        told = client.post(FEEDBACK, json=body).json()
        assert told["learning"] == {"queued": 0, "known": 0, "refused": {"off": 2}}
        assert not learnt(client)["learns"]


def test_back_to_an_earlier_version(live_bundle, tmp_path):
    probe = table(20, seed=77)
    with served(live_bundle, tmp_path) as (_, client):
        first, _ = ask(client, probe)
        for seed in range(1, 6):
            content, body = ask(client, table(32, seed, turned=True))
            client.post(FEEDBACK, json=body)
            after(content, client)
        turned, _ = ask(client, probe)
        assert turned["predictions"] != first["predictions"]
        path = "/v1/admin/models/live/rollback"
        answer = client.post(path, json={"learned": number(first)})
        assert answer.status_code == 200, answer.text
        assert answer.json()["learned"] > number(turned)
        back, _ = ask(client, probe)
        assert back["predictions"] == first["predictions"]
        assert back["model_version"] == answer.json()["version"]
        missing = client.post(path, json={"learned": 10**6})
        assert (missing.status_code, missing.json()["error"]["code"]) == (409, "refused")
        assert client.post(path, json={"learned": "1"}).status_code == 422
        with pytest.raises(UserError, match="a service learns from it"):
            replay(bundle=str(live_bundle), log=str(log_of(tmp_path)), rollback=number(first))
        content, body = ask(client, table(8, turned=True))  # and it goes on learning
        client.post(FEEDBACK, json=body)
        until(lambda: number(ask(client, probe)[0]) > answer.json()["learned"])
    exactly_once(log_of(tmp_path))


def test_no_answer_is_of_two_versions(live_bundle, tmp_path):
    """While it learns, equal rows get equal answers from equal versions, in any request."""
    probe, seen, torn = table(16, seed=3), {}, []
    done = threading.Event()

    def reads(client):
        while not done.is_set():
            content, _ = ask(client, probe)
            answer = [tuple(one["probabilities"].values()) for one in content["predictions"]]
            if seen.setdefault(content["model_version"], answer) != answer:
                torn.append(content["model_version"])

    with served(live_bundle, tmp_path) as (server, client), server.client() as other:
        reader = threading.Thread(target=reads, args=(other,))
        reader.start()
        for seed in range(60):
            _, body = ask(client, table(16, seed, turned=seed % 20 > 9))
            client.post(FEEDBACK, json=body)
        until(lambda: len(seen) > 5)
        done.set()
        reader.join()
    assert not torn


def test_what_must_not_be_kept_is_not_learnt_from(live_bundle, tmp_path):
    settings = (f"serving.state={tmp_path}", "serving.port=0", "serving.collect.redact=[a]")
    done = subprocess.run(
        [BIGMODEL, "serve", f"bundle={live_bundle}", *settings],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "serving.collect.redact: the model 'live' keeps learning, and for that keeps what is made "
        "of each row, 'a' included; say serving.learn=false, or redact nothing"
    ]
