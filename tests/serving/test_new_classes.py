"""Classes that come by feedback: told by name, taken up once there are enough labels of them."""

import pandas as pd
import pytest
from live_service import FEEDBACK, after, ask, learnt, log_of, number, served, table, train, until

from bigmodel.replay import replay
from bigmodel.serving import feedback_export

ROLLBACK = "/v1/admin/models/live/rollback"
TENSORS = {"inputs": [
    {"name": "a", "datatype": "FP64", "shape": [1], "data": [0.5]},
    {"name": "b", "datatype": "FP64", "shape": [1], "data": [2.0]},
    {"name": "c", "datatype": "BYTES", "shape": [1], "data": ["x"]},
]}  # fmt: skip


@pytest.fixture(scope="module")
def growing_bundle(tmp_path_factory):
    """It takes up one class, after six labels of it."""
    room = ("learning.new_classes.most=1", "learning.new_classes.rows=6", "trainer.max_epochs=1")
    return train(tmp_path_factory.mktemp("growing"), *room)


def late(n, seed):
    """Rows of which some are of a class that the model was not trained on."""
    frame = table(n, seed)
    frame.loc[frame.b > 0.5, "label"] = "maybe"
    return frame


def give(client, frame):
    """Predict a frame and tell its labels, and wait until they are learnt; what came of them."""
    content, body = ask(client, frame)
    told = client.post(FEEDBACK, json=body)
    assert told.status_code == 200, told.text
    after(content, client)
    return told.json()["learning"]


def classes(client):
    return client.get("/v1/models/live").json()["classes"]


def only(label, n, seed):
    frame = late(40, seed)
    return frame[frame.label == label].head(n)


def test_a_class_comes_is_answered_and_goes_with_a_rollback(growing_bundle, tmp_path, capsys):
    with served(growing_bundle, tmp_path) as (_, client):
        before, body = ask(client, table(1))
        assert classes(client) == ["no", "yes"]
        for label in ("", " maybe", "m" * 101, True):
            body["feedback"][0]["label"] = label
            assert client.post(FEEDBACK, json=body).status_code == 422
        told = give(client, only("maybe", 2, seed=1))
        assert told == {"queued": 2, "known": 0, "refused": {}, "new_classes": {"maybe": 4}}
        assert classes(client) == ["no", "yes"]
        assert learnt(client)["new_classes"] == {"added": [], "waiting": {"maybe": 2}}
        assert give(client, only("maybe", 5, seed=2))["new_classes"] == {"maybe": 0}
        assert classes(client) == ["no", "yes", "maybe"]
        for seed in range(3, 9):
            assert "new_classes" not in give(client, late(40, seed))
        probe = late(100, seed=50)
        content, _ = ask(client, probe)
        said = [one["prediction"] for one in content["predictions"]]
        assert (pd.Series(said) == probe.label.to_numpy()).mean() > 0.75
        for one in content["predictions"]:
            assert list(one["probabilities"]) == ["no", "yes", "maybe"]
            assert sum(one["probabilities"].values()) == pytest.approx(1)
        tensors_have_it(client)
        _, body = ask(client, table(1, seed=60))
        body["feedback"][0]["label"] = "junk"
        told = client.post(FEEDBACK, json=body).json()["learning"]
        assert told == {"queued": 0, "known": 0, "refused": {"no_room": 1}}
        was = number(content)
        answer = client.post(ROLLBACK, json={"learned": number(before)})
        assert answer.status_code == 200, answer.text
        assert classes(client) == ["no", "yes"]
        assert len(ask(client, probe)[0]["predictions"][0]["probabilities"]) == 2
    log = str(log_of(tmp_path))
    assert replay(bundle=str(growing_bundle), log=log, version=was) == was
    assert "bit for bit" in capsys.readouterr().out
    feedback_export.export(str(tmp_path / "all.csv"), None, str(tmp_path))
    assert set(pd.read_csv(tmp_path / "all.csv").label) == {"no", "yes", "maybe", "junk"}


def tensors_have_it(client):
    told = client.post("/v2/models/live/infer", json=TENSORS).json()
    (shares,) = [one for one in told["outputs"] if one["name"] == "probabilities"]
    assert shares["shape"] == [1, 3]
    assert len(shares["data"]) == 3
    outputs = client.get("/v2/models/live").json()["outputs"]
    assert [one["shape"] for one in outputs if one["name"] == "probabilities"] == [[-1, -1]]
    paths = client.get("/openapi.json").json()["paths"]
    assert "maybe" in str(paths["/v1/models/live/feedback"])


@pytest.mark.slow
def test_all_workers_have_it(growing_bundle, tmp_path):
    with served(growing_bundle, tmp_path, "serving.workers=2") as (server, client):
        _, body = ask(client, only("maybe", 6, seed=1))
        answer = client.post(FEEDBACK, json=body)
        assert answer.json()["learning"]["new_classes"] == {"maybe": 0}, answer.text

        def everywhere():
            found = set()
            for _ in range(12):  # connections, which different workers have
                with server.client() as one:
                    content, _ = ask(one, table(1))
                    shares = len(content["predictions"][0]["probabilities"])
                    found.add((shares, *learnt(one)["new_classes"]["added"]))
            return found == {(3, "maybe")}

        until(everywhere)
