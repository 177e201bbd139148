"""What the feedback says of the answers: figures with bounds, alarms, the same after a restart."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from running import Server, serving
from test_drift import PREDICT, alarmed, the_version, until

from bigmodel.data.schema import Target
from bigmodel.serving.monitor.intervals import mean, wilson
from bigmodel.serving.monitor.quality import Version, judge
from bigmodel.serving.store import Label, Predictions, Store

BINARY = Target("y", "binary", "str", ("no", "yes"))


def test_the_interval_of_a_share_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 0.97):
        found = [wilson(int(hits), 150) for hits in rng.binomial(150, share, 2000)]
        held = np.mean([one.low <= share <= one.high for one in found])
        assert held >= 0.98


@given(st.integers(0, 300), st.integers(1, 300))
@settings(max_examples=100, deadline=None)
def test_the_interval_of_a_share_is_within_0_and_1(hits, rows):
    found = wilson(min(hits, rows), rows)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_interval_of_a_mean_is_the_normal_one():
    values = [1.0, 2.0, 3.0, 4.0]
    half = 2.576 * np.std(values, ddof=1) / 2
    assert mean(values)[:3] == pytest.approx((2.5, 2.5 - half, 2.5 + half))
    assert mean([3.0]).low == -np.inf


def test_figures_are_those_of_training():
    version = Version(10)
    for said, share, label in (("yes", 0.8, "yes"), ("no", 0.3, "yes"), ("no", 0.1, "no")):
        answer = {"prediction": said, "probabilities": {"no": 1 - share, "yes": share}}
        version.add(judge(answer, label, BINARY, 5.0))
    figures = version.figures()
    assert figures["accuracy"].value == pytest.approx(2 / 3)
    assert figures["log_loss"].value == pytest.approx(-np.log([0.8, 0.3, 0.9]).mean())
    assert version.delays() == (5.0, 5.0)


def test_figures_of_numbers_are_in_their_units():
    version = Version(2)
    target = Target("y", "regression", "float64")
    for said, label in ((100.0, 0.0), (3.0, 1.0), (5.0, 9.0)):
        version.add(judge({"prediction": said}, label, target, 1.0))
    figures = version.figures()
    assert figures["mae"].value == pytest.approx(3.0)  # the latest two
    assert figures["rmse"].value == pytest.approx(np.sqrt(10))
    assert version.totals()["mae"] == pytest.approx(106 / 3)


def test_an_answer_without_probabilities_counts_for_what_it_says():
    version = Version(2)
    version.add(judge({"prediction": "yes"}, "no", BINARY, 1.0))
    assert version.figures().keys() == {"accuracy"}


# the service


def qualities(server: Server) -> dict:
    return the_version(server).get("quality", {"labelled": 0, "figures": {}})


def ask_and_tell(server: Server, rows: list[dict], labels: list[str]) -> None:
    with server.client() as client:
        ids = client.post(PREDICT, json={"rows": rows}).json()["prediction_ids"]
        told = [
            {"prediction_id": one, "label": label} for one, label in zip(ids, labels, strict=False)
        ]
        answer = client.post(PREDICT.replace("predict", "feedback"), json={"feedback": told})
        assert answer.status_code == 200


def test_feedback_makes_figures_that_outlive_a_kill_and_are_one_for_all_processes(
    tmp_path, wine_bundle, wines, rows
):
    labels = wines["target"].tolist()
    with serving(wine_bundle, tmp_path) as one, serving(wine_bundle, tmp_path) as two:
        ask_and_tell(one, rows, labels[:100])
        ask_and_tell(two, rows, labels[:50])
        for server in (one, two):
            assert until(lambda s=server: qualities(s)["labelled"] == 150)
        before = qualities(one)
        assert before["stored"] == 2 * len(rows)
        assert before["figures"]["accuracy"]["rows"] == 150
        assert before["figures"]["accuracy"]["trained"] > 0.8
        assert before["figures"]["accuracy"]["low"] > 0.8
        assert until(lambda: the_version(two)["drift"]["rows"] == 2 * len(rows))  # both count
        for server in (one, two):
            server.end(signal.SIGKILL)
    with serving(wine_bundle, tmp_path) as server, server.client() as client:
        assert until(lambda: qualities(server)["labelled"] == 150)
        assert qualities(server) == before
        families = list(text_string_to_metric_families(client.get("/metrics").text))
        found = {
            (sample.name, sample.labels.get("figure")): sample.value
            for family in families
            for sample in family.samples
        }
    assert found["bigmodel_predictions_labelled", None] == 150
    accuracy = before["figures"]["accuracy"]
    assert found["bigmodel_quality_low", "accuracy"] == pytest.approx(accuracy["low"])


def test_answers_that_turn_out_wrong_raise_an_alarm_and_right_ones_end_it(
    tmp_path, wine_bundle, wines, rows
):
    wrong = ["class_0" if label == "class_1" else "class_1" for label in wines["target"]]
    small = ["serving.monitor.labels=100"]

    def alarm(server: Server) -> bool:
        return qualities(server)["figures"].get("accuracy", {}).get("since") is not None

    with serving(wine_bundle, tmp_path, *small) as server:
        ask_and_tell(server, rows, wrong)
        assert until(lambda: alarm(server))
        ask_and_tell(server, rows, wines["target"].tolist())
        assert until(lambda: not alarm(server))
        assert server.end() == 0
    told = [line["message"] for line in server.log() if "quality of wine" in str(line)]
    accuracy = [line for line in told if "accuracy: " in line]
    assert ["begins" in line for line in accuracy] == [True, False]
    assert "in training" in accuracy[0]


def test_tensors_are_watched_and_judged_as_rows_are(tmp_path, wine_bundle, wines, rows):
    shifted = [{**row, "ash": row["ash"] + 1.0} for row in rows]
    columns = list(rows[0])
    data = [[row[name] for name in columns] for row in shifted]
    inputs = [{"name": "numeric", "shape": [len(data), 13], "datatype": "FP64", "data": data}]
    with serving(wine_bundle, tmp_path) as server, server.client() as client:
        for _ in range(2):
            answer = client.post("/v2/models/wine/infer", json={"inputs": inputs})
            assert answer.status_code == 200
        outputs = {output["name"]: output["data"] for output in answer.json()["outputs"]}
        told = [
            {"prediction_id": one, "label": label}
            for one, label in zip(outputs["prediction_id"], wines["target"], strict=True)
        ]
        client.post(PREDICT.replace("predict", "feedback"), json={"feedback": told})
        assert until(lambda: qualities(server)["labelled"] == len(rows))
        assert until(lambda: alarmed(server) == {"ash"})
        drift, figures = the_version(server)["drift"], qualities(server)["figures"]
    assert drift["rows"] == 2 * len(rows)
    shares = np.reshape(outputs["probabilities"], (-1, 3))
    truth = wines["target"].str[-1].astype(int).to_numpy()
    loss = -np.log(shares[np.arange(len(truth)), truth]).mean()
    assert figures["log_loss"]["value"] == pytest.approx(loss, rel=1e-6)
    assert figures["accuracy"]["value"] == pytest.approx((shares.argmax(axis=1) == truth).mean())


def test_a_store_of_another_time_is_read_whole_and_labels_without_a_prediction_are_left_out(
    tmp_path, wine_bundle, rows
):
    long_ago = time.time() - 1000
    answers = b'[{"prediction":"class_0"},{"prediction":"class_1"}]'
    with serving(wine_bundle, tmp_path) as server, server.client() as client:
        version = client.get("/v1/models/wine").json()["version"]
    write(tmp_path, version, long_ago, answers)
    with serving(wine_bundle, tmp_path) as server:
        assert until(lambda: qualities(server)["labelled"] == 5000)
        found = qualities(server)
    assert found["stored"] == 5000
    assert found["figures"]["accuracy"]["rows"] == 1000
    assert found["figures"]["accuracy"]["value"] == pytest.approx(0.5)
    assert found["figures"]["accuracy"]["total"] == pytest.approx(0.5)
    assert found["delay_p50_seconds"] == pytest.approx(10.0)


def write(state: Path, version: str, when: float, answers: bytes) -> None:
    """2,500 requests of two rows, all labelled after ten seconds; and labels of nothing."""
    store = Store(state / "records.sqlite", 1 << 30, 365)
    ids = [f"{number:024x}" for number in range(2500)]
    with store.transaction():
        for one in ids:
            store.add_predictions(Predictions(one, when, "wine", version, "", 2, b"[]", answers))
        for one in (*ids, "f" * 24):
            store.add_labels(
                Label(one, row, when + 10, "wine", "", b'"class_0"') for row in range(2)
            )
    store.close()
