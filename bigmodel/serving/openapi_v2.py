"""The Open Inference Protocol V2 of one model, for the OpenAPI document."""

from collections.abc import Callable, Mapping
from typing import Any

from bigmodel.serving.model import Model
from bigmodel.serving.tensors import BYTES, DTYPES

Node = dict[str, Any]

_ANY: Node = {"type": "object"}
_TENSOR: Node = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "shape": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "minItems": 1,
            "maxItems": 2,
        },
        "datatype": {"enum": [*DTYPES, BYTES]},
        "data": {"type": "array"},
        "parameters": {"type": "object"},
    },
    "required": ["name", "shape", "datatype"],
}
_BODY: Node = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "inputs": {"type": "array", "items": _TENSOR, "minItems": 1},
        "outputs": {"type": "array", "items": _ANY},
        "parameters": {"type": "object"},
    },
    "required": ["inputs"],
}


def paths(model: Model, metadata: Mapping[str, Any], operation: Callable[..., Node]) -> Node:
    """The paths of one model, of all versions and of the loaded one; `metadata` as V2 has it."""
    example = {"inputs": [_one(model, told) for told in metadata["inputs"]]}
    found: Node = {}
    for base in ("", f"/versions/{model.version}"):
        place = f"/v2/models/{model.name}{base}"
        found |= {
            f"{place}/infer": {
                "post": operation("answer tensors", _ANY, _BODY, example),
            },
            place: {"get": operation("inputs and outputs", _ANY)},
            f"{place}/ready": {"get": operation("the model is loaded", _ANY)},
        }
    return found


def _one(model: Model, told: Mapping[str, Any]) -> Node:
    """The input of one row."""
    return {**told, "shape": [1], "data": [model.example[told["name"]]]}
