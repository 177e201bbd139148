"""What is wrong with a request is told with a status, a code and the field; the rest goes on."""

import orjson
import pytest

PREDICT = "/v1/models/wine/predict"
INFER = "/v2/models/wine/infer"


def refused(answer, status: int, code: str, field: str | None) -> str:
    """Check the one form of every refusal; returns the message."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "field"}
    assert (error["code"], error["field"]) == (code, field)
    assert "\n" not in error["message"]
    return error["message"]


BODIES = {
    "not JSON": (b"{", 400, "not_json", None),
    "nothing": (b"", 400, "not_json", None),
    "NaN": (b'{"rows": [{"ash": NaN}]}', 400, "not_json", None),
    "beyond a double": (b'{"rows": [{"ash": 1e400}]}', 400, "not_json", None),
    "deep": (b"[" * 100_000, 400, "not_json", None),
    "invalid UTF-8": (b'{"rows": "\xff"}', 400, "not_json", None),
    "half a surrogate": (b'{"rows": "\\ud800"}', 400, "not_json", None),
    "a list": (b"[1]", 422, "invalid", None),
    "null": (b"null", 422, "invalid", None),
    "no rows": (b"{}", 422, "invalid", "rows"),
    "empty rows": (b'{"rows": []}', 422, "invalid", "rows"),
    "rows as object": (b'{"rows": {"ash": 1}}', 422, "invalid", "rows"),
    "a mistyped key": (b'{"rows": [{}], "paramters": {}}', 422, "invalid", "paramters"),
    "a row as number": (b'{"rows": [3]}', 422, "invalid", "rows[0]"),
    "a row as list": (b'{"rows": [[1, 2]]}', 422, "invalid", "rows[0]"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_request(service, name):
    body, status, code, field = BODIES[name]
    with service.client as client:
        refused(client.post(PREDICT, content=body), status, code, field)


CELLS = ["text", "3.5", "", [], [1.0], {}, {"a": 1}, 1e30, -1e300, 10**40]


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_a_cell_that_is_no_number_is_named(service, rows, cell):
    content = {"rows": [*rows[:3], {**rows[3], "ash": cell}]}
    if cell == 10**40:
        body = orjson.dumps(content | {"rows": [{**rows[3], "ash": 1}]})
        body, place = body.replace(b'"ash":1', b'"ash":1' + b"0" * 40), "rows[0].ash"
    else:
        body, place = orjson.dumps(content), "rows[3].ash"
    with service.client as client:
        message = refused(client.post(PREDICT, content=body), 422, "invalid", place)
    assert "'ash' takes a number" in message


def test_null_is_a_missing_number_and_an_unknown_column_is_ignored(service, rows):
    content = {"rows": [{**rows[0], "ash": None, "more": [1, {"deep": 2}]}]}
    with service.client as client:
        assert client.post(PREDICT, json=content).status_code == 200


def test_a_missing_column_is_named_with_the_one_that_may_be_meant(service, rows):
    row = {name.replace("ash", "ahs"): value for name, value in rows[1].items()}
    with service.client as client:
        answer = client.post(PREDICT, json={"rows": [rows[0], row]})
    assert "is 'ahs' meant?" in refused(answer, 422, "invalid", "rows[1].ash")


PARAMETERS = {
    "no object": ([], "parameters"),
    "unknown": ({"treshold": 0.5}, "parameters.treshold"),
    "not of three classes": ({"threshold": 0.5}, "parameters.threshold"),
    "top 0": ({"top_k": 0}, "parameters.top_k"),
    "top of more": ({"top_k": 4}, "parameters.top_k"),
    "top true": ({"top_k": True}, "parameters.top_k"),
    "unsure of all": ({"abstain_below": 1.1}, "parameters.abstain_below"),
    "half": ({"probabilities": 1}, "parameters.probabilities"),
    "a class less": ({"prior": {"class_0": 1, "class_1": 1}}, "parameters.prior"),
    "a share of 0": ({"prior": dict.fromkeys(["class_0", "class_1", "class_2"], 0)},
                     "parameters.prior"),
    "shares as text": ({"prior": dict.fromkeys(["class_0", "class_1", "class_2"], "1")},
                       "parameters.prior"),
}  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_beyond_its_limits(service, rows, name):
    given, field = PARAMETERS[name]
    with service.client as client:
        answer = client.post(PREDICT, json={"rows": rows[:1], "parameters": given})
    refused(answer, 422, "invalid", field)


def test_more_rows_than_are_taken_at_once(service, rows):
    with service.client as client:
        answer = client.post(PREDICT, json={"rows": [rows[0]] * 4097})
    refused(answer, 413, "too_many_rows", "rows")


def test_a_compressed_body_is_not_taken(service):
    with service.client as client:
        answer = client.post(PREDICT, content=b"x", headers={"content-encoding": "gzip"})
    refused(answer, 415, "encoded_body", "content-encoding")


def test_paths_methods_models_and_versions_that_are_not_there(service):
    with service.client as client:
        refused(client.get("/v1/nothing"), 404, "no_such_path", "path")
        answer = client.get(PREDICT)
        refused(answer, 405, "wrong_method", "method")
        assert answer.headers["allow"] == "POST"
        refused(client.post("/v1/models/beer/predict"), 404, "no_such_model", "name")
        refused(client.post("/v2/models/wine/versions/1/infer"), 404, "no_such_version", "version")


TENSORS = {
    "no inputs": ({}, "inputs"),
    "no tensor": ({"inputs": [3]}, "inputs[0]"),
    "no name": ({"inputs": [{"shape": [1], "datatype": "FP64"}]}, "inputs[0]"),
    "no shape": ({"inputs": [{"name": "ash", "datatype": "FP64"}]}, "inputs.ash"),
    "a negative shape": (
        {"inputs": [{"name": "ash", "shape": [-1], "datatype": "FP64", "data": []}]}, "inputs.ash"
    ),
    "a huge shape": (
        {"inputs": [{"name": "numeric", "shape": [1, 2**62], "datatype": "FP64", "data": []}]},
        "inputs.numeric",
    ),
    "another type": (
        {"inputs": [{"name": "ash", "shape": [1], "datatype": "FP7", "data": [1]}]}, "inputs.ash"
    ),
    "too few data": (
        {"inputs": [{"name": "ash", "shape": [2], "datatype": "FP64", "data": [1]}]}, "inputs.ash"
    ),
    "ragged data": (
        {"inputs": [{"name": "ash", "shape": [2], "datatype": "FP64", "data": [[1], 2]}]},
        "inputs.ash",
    ),
    "binary data that are not there": (
        {"inputs": [{"name": "ash", "shape": [1], "datatype": "FP64",
                     "parameters": {"binary_data_size": 8}}]},
        "inputs.ash",
    ),
    "another input": (
        {"inputs": [{"name": "ahs", "shape": [1], "datatype": "FP64", "data": [1]}]}, "inputs.ahs"
    ),
    "too few columns": (
        {"inputs": [{"name": "numeric", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]},
        "inputs.numeric",
    ),
    "a text": (
        {"inputs": [{"name": "numeric", "shape": [1, 13], "datatype": "FP64",
                     "data": [1.0] * 12 + ["x"]}]},
        "inputs.proline[0]",
    ),
    "another output": (
        {"inputs": [{"name": "numeric", "shape": [1, 13], "datatype": "FP64", "data": [1.0] * 13}],
         "outputs": [{"name": "answer"}]},
        "outputs[0]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_are_no_request(service, name):
    content, field = TENSORS[name]
    with service.client as client:
        refused(client.post(INFER, json=content), 422, "invalid", field)


def test_columns_of_unlike_length(service, rows):
    inputs = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
        for name, value in rows[0].items()
    ]
    inputs[4] |= {"shape": [2], "data": [1.0, 2.0]}
    with service.client as client:
        answer = client.post(INFER, json={"inputs": inputs})
    refused(answer, 422, "invalid", f"inputs.{inputs[4]['name']}")


@pytest.mark.parametrize("told", ["0", "-1", "99999", "x", "1e3", "9" * 30])
def test_a_wrong_length_of_the_json_part(service, told):
    headers = {"inference-header-content-length": told}
    with service.client as client:
        answer = client.post(INFER, content=b"{}", headers=headers)
    refused(answer, 400, "wrong_length", "inference-header-content-length")
