"""The service's interface as OpenAPI 3.1, made from the schemas of the models that it serves."""

from collections.abc import Mapping
from typing import Any

from bigmodel import __version__
from bigmodel.data.convert import LARGEST
from bigmodel.data.schema import Column, Target
from bigmodel.serving import openapi_admin, v2
from bigmodel.serving.http import Request, Response, json
from bigmodel.serving.model import Model
from bigmodel.serving.openapi_v2 import paths as paths_v2
from bigmodel.serving.service import Service

Node = dict[str, Any]

_JSON = "application/json"
_TEXT: Node = {"type": "string"}
_COUNT: Node = {"type": "integer", "minimum": 0}
_ANY: Node = {"type": "object"}
_ID = "0123456789abcdef01234567-0"
_TYPES: Mapping[str, Node] = {
    "numeric": {"type": ["number", "null"]},
    "cost": {"type": "number"},
    "boolean": {"type": ["boolean", "null"]},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "categorical": {"type": ["string", "null"]},
    "text": {"type": ["string", "null"]},
    "image": {"type": "string", "contentEncoding": "base64"},
}
_LABELS = {"bool": "boolean", "int64": "integer", "float64": "number"}
_REFUSALS = {
    400: "the body is not JSON",
    401: "no valid key",
    403: "the key is for something else",
    404: "no such model",
    408: "the body came too slowly",
    413: "more bytes or rows than are taken at once",
    415: "the body is compressed",
    422: "the body says something that the model cannot take; `field` says where",
    429: "more than the key may ask; Retry-After says when",
    503: "no room at the moment; Retry-After says when",
}


async def document(service: Service, request: Request) -> Response:
    """`GET /openapi.json`."""
    models = [slot.model for slot in service.slots.values()]
    return json(describe(models, changes=service.follower is not None))


def describe(models: list[Model], changes: bool) -> Node:
    """The whole document; with `changes` it has what operators may ask."""
    paths: Node = {}
    for model in models:
        paths |= _paths(model) | paths_v2(model, v2.described(model), operation)
        if changes:
            paths |= openapi_admin.paths(model, operation)
    for path, says in (("live", "the process answers"), ("ready", "requests are welcome")):
        for prefix in ("/health", "/v2/health"):
            paths[f"{prefix}/{path}"] = {"get": _open(says)}
    paths["/v1/status"] = {"get": operation("traffic, drift, quality, errors", _ANY)}
    paths["/v2"] = {"get": _open("the name and version of this server")}
    error = _object(code=_TEXT, message=_TEXT, field={"type": ["string", "null"]})
    return {
        "openapi": "3.1.0",
        "info": {"title": "bigmodel", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {"Error": _object(error=error)},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def operation(
    summary: str, answer: Node, body: Node | None = None, example: Any = None, media: str = _JSON
) -> Node:
    """One operation: what it gives, what it takes, and every way to refuse it."""
    told: Node = {"summary": summary, "responses": {"200": _content("done", media, answer)}}
    error = {"$ref": "#/components/schemas/Error"}
    codes = _REFUSALS if body else [401, 403, 404, 429, 503]
    for code in codes:
        told["responses"][str(code)] = _content(_REFUSALS[code], _JSON, error)
    if body is not None:
        told["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": body, "example": example}},
        }
    return told


def row_schema(columns: Mapping[str, Column]) -> Node:
    """JSON schema of a row; it may have other columns, which nobody reads."""
    return {
        "type": "object",
        "properties": {name: _cell(column) for name, column in columns.items()},
        "required": list(columns),
    }


def _paths(model: Model) -> Node:
    """The friendly API of one model."""
    base, target = f"/v1/models/{model.name}", model.schema.target
    rows = {"type": "array", "items": row_schema(model.reader.needed), "minItems": 1}
    body = _object(rows=rows, optional={"parameters": model.parameters.schema})
    body["additionalProperties"] = False
    answer = _object(
        predictions={"type": "array", "items": _prediction(target)},
        model_version=_TEXT,
        prediction_ids={"type": "array", "items": _TEXT},
    )
    label = _object(prediction_id=_TEXT, label=_given_label(model))
    learning = {} if model.living is None else {"learning": _ANY}
    stored = _object(stored=_COUNT, known=_COUNT, joined=_COUNT, optional=learning)
    labels = {"anyOf": [label, _object(feedback={"type": "array", "items": label, "minItems": 1})]}
    example = {"rows": [model.example]}
    said = {"prediction_id": _ID, "label": model.labels[0] if model.labels else 1.5}
    feedback = operation("say what rows turned out to be", stored, labels, said)
    error = {"$ref": "#/components/schemas/Error"}
    feedback["responses"] |= {
        "409": _content("another label was given before", _JSON, error),
        "507": _content("nothing was stored: the disk is full", _JSON, error),
    }
    return {
        f"{base}/predict": {"post": operation("answer rows", answer, body, example)},
        f"{base}/feedback": {"post": feedback},
        f"{base}/example": {"get": operation("a body for predict", _ANY)},
        base: {"get": operation("what is served", _ANY)},
        f"{base}/versions": {"get": operation("the versions that are loaded", _ANY)},
        f"{base}/card": {"get": operation("the model card", _TEXT, media="text/markdown")},
    }


def _cell(column: Column) -> Node:
    told = dict(_TYPES[column.kind])
    if column.kind in ("numeric", "cost"):
        told |= {"exclusiveMinimum": -LARGEST, "exclusiveMaximum": LARGEST}
    if column.minimum is not None:
        told["description"] = f"in training from {column.minimum} to {column.maximum}"
    elif column.categories:
        told["description"] = f"in training {len(column.categories)} values"
    return told


def _prediction(target: Target) -> Node:
    label = {"prediction": _label(target)}
    if not target.classes:
        return _object(**label)
    shares = {"type": "object", "additionalProperties": {"type": "number"}}
    return _object(**label, optional={"probabilities": shares, "abstains": {"type": "boolean"}})


def _label(target: Target) -> Node:
    if not target.classes:
        return {"type": "number"}
    return {"type": _LABELS.get(target.dtype, "string")}


def _given_label(model: Model) -> Node:
    """A label as feedback has it: where classes may come, it says which there are by now."""
    told = _label(model.schema.target)
    if model.room:
        classes = ", ".join(model.classes)
        told["description"] = f"one of {classes}, or a new class: it becomes one once enough came"
    return told


def _object(optional: Node | None = None, **properties: Node) -> Node:
    """JSON schema of an object that has these, and may have the `optional` ones."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }


def _content(says: str, media: str, schema: Node) -> Node:
    return {"description": says, "content": {media: {"schema": schema}}}


def _open(says: str) -> Node:
    """A GET that needs no key."""
    return {
        "summary": says,
        "security": [],
        "responses": {
            "200": _content("yes", _JSON, _ANY),
            "503": _content("no", _JSON, {"$ref": "#/components/schemas/Error"}),
        },
    }
