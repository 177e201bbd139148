"""What is kept of the traffic: stored when acknowledged, once, and without what is redacted."""

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from running import serving

from bigmodel.serving.store import Label, Predictions, Store

PREDICT, FEEDBACK = "/v1/models/wine/predict", "/v1/models/wine/feedback"
NOBODY = "0" * 24


def kept(state, what: str) -> list[tuple]:
    """What the store holds."""
    with sqlite3.connect(f"file:{state}/records.sqlite?mode=ro", uri=True) as db:
        return db.execute(what).fetchall()


@pytest.fixture(scope="module")
def predicted(service, rows):
    """The ids of three predictions."""
    answer = service.client.post(PREDICT, json={"rows": rows[:3]}).json()
    return answer["prediction_ids"]


def test_feedback_is_stored_once_and_joins_its_prediction(service, predicted):
    body = {"prediction_id": predicted[0], "label": "class_1"}
    assert service.client.post(FEEDBACK, json=body).json() == {"stored": 1, "known": 0, "joined": 1}
    held = kept(
        service.server.state, f"select row, label from labels where request = '{predicted[0][:24]}'"
    )
    assert held == [(0, b'"class_1"')]
    assert service.client.post(FEEDBACK, json=body).json() == {"stored": 0, "known": 1, "joined": 1}
    other = service.client.post(FEEDBACK, json=body | {"label": "class_2"})
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "label_conflict"


def test_several_labels_are_stored_all_or_none(service, predicted):
    good = [{"prediction_id": i, "label": "class_0"} for i in predicted[1:]]
    bad = {"prediction_id": f"{predicted[1][:24]}-3", "label": "class_0"}  # there were 3 rows
    refused = service.client.post(FEEDBACK, json={"feedback": [*good, bad]})
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == "feedback[2].prediction_id"
    answer = service.client.post(FEEDBACK, json={"feedback": good})
    assert answer.json() == {"stored": 2, "known": 0, "joined": 2}


def test_a_label_may_outlive_its_prediction(service):
    body = {"prediction_id": f"{NOBODY}-7", "label": "class_1"}
    assert service.client.post(FEEDBACK, json=body).json() == {"stored": 1, "known": 0, "joined": 0}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, None),
        ([], 422, None),
        ({"prediction_id": f"{NOBODY}-0"}, 422, None),
        ({"prediction_id": f"{NOBODY}-0", "label": "class_1", "more": 1}, 422, None),
        ({"prediction_id": f"{NOBODY}-0", "label": "clas_1"}, 422, "label"),
        ({"prediction_id": f"{NOBODY}-0", "label": None}, 422, "label"),
        ({"prediction_id": f"{NOBODY}-0", "label": True}, 422, "label"),
        ({"prediction_id": f"{NOBODY}-0", "label": ["class_1"]}, 422, "label"),
        ({"prediction_id": f"{NOBODY}-0", "label": 2**63}, 422, "label"),
        ({"prediction_id": 7, "label": "class_1"}, 422, "prediction_id"),
        ({"prediction_id": f"{NOBODY}-01", "label": "class_1"}, 422, "prediction_id"),
        ({"prediction_id": f"{NOBODY}-0\n", "label": "class_1"}, 422, "prediction_id"),
        ({"prediction_id": f"{NOBODY}-99999999", "label": "class_1"}, 422, "prediction_id"),
        ({"feedback": []}, 422, "feedback"),
        ({"feedback": "x"}, 422, "feedback"),
        ({"feedback": [7]}, 422, "feedback[0]."),
        ({"feedback": [{}] * 4097}, 413, "feedback"),
    ],
)
def test_what_is_no_feedback_is_refused(service, body, status, field):
    answer = service.client.post(FEEDBACK, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["field"] == (field and field.rstrip("."))


def test_many_at_once_are_all_stored(service, rows):
    ids = service.client.post(PREDICT, json={"rows": rows}).json()["prediction_ids"]
    with service.client as client, ThreadPoolExecutor(16) as pool:
        send = lambda i: client.post(FEEDBACK, json={"prediction_id": i, "label": "class_0"})  # noqa: E731
        answers = [answer.json() for answer in pool.map(send, ids)]
    assert answers == [{"stored": 1, "known": 0, "joined": 1}] * len(ids)
    (count,) = kept(
        service.server.state, f"select count(*) from labels where request = '{ids[0][:24]}'"
    )
    assert count == (len(ids),)


def test_redacted_columns_and_unsampled_requests_are_not_stored(tmp_path, wine_bundle, rows):
    settings = ["serving.collect.sample=0.5", "serving.collect.redact=[proline,hue]"]
    with serving(wine_bundle, tmp_path, *settings) as server, server.client() as client:
        for _ in range(60):
            client.post(PREDICT, json={"rows": rows[:2]})
        server.end()
    held = kept(tmp_path, "select rows, answers, row_count from predictions")
    assert 10 < len(held) < 50
    for stored, answers, count in held:
        assert [row.keys() for row in json.loads(stored)] == [
            rows[0].keys() - {"proline", "hue"}
        ] * 2
        assert len(json.loads(answers)) == count == 2
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"proline" not in everything.replace(b'"name":"proline"', b"")  # but in the schema


def test_a_mistyped_column_to_redact_stops_the_server(tmp_path, wine_bundle, capfd):
    from bigmodel import cli

    settings = [f"bundle={wine_bundle}", f"serving.state={tmp_path}", "serving.port=0"]
    serve = ["serve", *settings, "serving.collect.redact=[prolin]"]
    assert cli.guarded(lambda: cli.dispatch(serve)) == 2
    line = "serving.collect.redact: the model 'wine' has no column 'prolin'; its columns are "
    assert capfd.readouterr().err.startswith(line)


def filled(path, max_bytes: int, days: float, requests: int, old: int = 0) -> Store:
    """A store with large predictions, every tenth with a label; the first `old` of yesteryear."""
    store = Store(path, max_bytes, days)
    for i in range(requests):
        stamp = time.time() - (400 * 86_400 if i < old else 0)
        with store.transaction():
            store.add_predictions(
                Predictions(f"{i:024x}", stamp, "m", "v", "", 1, b"[{}]" + b" " * 9000, b"[0]")
            )
            if i % 10 == 0:
                store.add_labels([Label(f"{i:024x}", 0, stamp, "m", "", b"1")])
    return store


def test_what_is_too_old_goes(tmp_path):
    store = filled(tmp_path / "records.sqlite", 1 << 30, 365, requests=30, old=20)
    assert store.prune() == 22
    assert kept(tmp_path, "select count(*) from predictions") == [(10,)]
    assert kept(tmp_path, "select count(*) from labels") == [(1,)]


def test_a_full_store_lets_go_of_predictions_but_never_of_labels(tmp_path):
    store = filled(tmp_path / "records.sqlite", 1 << 20, 365, requests=100)
    assert store.prune() > 0
    assert kept(tmp_path, "select count(*) from labels") == [(10,)]
    labelled = "select count(*) from predictions where id in (select request from labels)"
    assert kept(tmp_path, labelled) == [(10,)]
