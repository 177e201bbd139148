"""The service gives the numbers of `predict`, for every kind of bundle, over both protocols."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kinds import KINDS, as_body, fresh, train
from running import Server, serving
from tritonclient.http import InferenceServerClient, InferInput

import bigmodel


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_bundle_answers_as_predict_does(kind, tmp_path):
    if kind in ("trees", "leaves"):
        pytest.importorskip("lightgbm")
    bundle = train(kind, tmp_path)
    frame = fresh(kind)
    wanted = bigmodel.load(bundle).predict(frame)
    with serving(bundle, tmp_path / "state", "serving.drain_seconds=0.1") as server:
        rows_in_json_get_these_numbers(server, kind, frame, wanted)
        tensors_get_these_numbers(server, kind, frame, wanted)
        the_example_is_answered(server, kind)
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "onnxruntime" in mapped
    assert "libtorch" not in mapped  # no torch in the process


def rows_in_json_get_these_numbers(
    server: Server, kind: str, frame: pd.DataFrame, wanted: pd.DataFrame
) -> None:
    with server.client() as client:
        answer = client.post(f"/v1/models/{kind}/predict", json=as_body(frame))
        alone = client.post(f"/v1/models/{kind}/predict", json=as_body(frame.tail(1)))
    assert answer.status_code == 200, answer.text
    check(answer.json()["predictions"], wanted)
    check(alone.json()["predictions"], wanted.tail(1))


def check(given: list[dict], wanted: pd.DataFrame) -> None:
    """The very answers: the same labels, and the same numbers but for the last bits."""
    values = [one["prediction"] for one in given]
    shares = [name for name in wanted if name.startswith("probability/")]
    if not shares:
        np.testing.assert_allclose(values, wanted["prediction"], rtol=1e-6)
        return
    assert values == wanted["prediction"].tolist()
    table = [[one["probabilities"][name.partition("/")[2]] for name in shares] for one in given]
    np.testing.assert_allclose(table, wanted[shares], atol=1e-6)


def tensors_get_these_numbers(
    server: Server, kind: str, frame: pd.DataFrame, wanted: pd.DataFrame
) -> None:
    with InferenceServerClient(server.url.removeprefix("http://")) as client:
        told = client.get_model_metadata(kind)
        inputs = [tensor(one["name"], one["datatype"], frame) for one in told["inputs"]]
        answer = client.infer(kind, inputs)
    values = answer.as_numpy("prediction")
    if wanted.shape[1] == 1:
        np.testing.assert_allclose(values, wanted["prediction"], rtol=1e-6)
        return
    assert [value.decode() for value in values] == wanted["prediction"].tolist()
    shares = [name for name in wanted if name.startswith("probability/")]
    np.testing.assert_allclose(answer.as_numpy("probabilities"), wanted[shares], atol=1e-6)


def tensor(name: str, datatype: str, frame: pd.DataFrame) -> InferInput:
    made = InferInput(name, [len(frame)], datatype)
    if datatype != "BYTES":
        made.set_data_from_numpy(frame[name].to_numpy({"FP64": np.float64, "BOOL": bool}[datatype]))
        return made
    cells = ["" if value is None or value != value else value for value in frame[name]]
    cells = [value if isinstance(value, bytes) else str(value).encode() for value in cells]
    made.set_data_from_numpy(np.array(cells, dtype=object))
    return made


def the_example_is_answered(server: Server, kind: str) -> None:
    with server.client() as client:
        example = client.get(f"/v1/models/{kind}/example")
        answer = client.post(f"/v1/models/{kind}/predict", content=example.content)
    assert answer.status_code == 200, answer.text
