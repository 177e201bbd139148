"""The changes of who answers, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any

from bigmodel.serving.model import Model

Node = dict[str, Any]

_TEXT: Node = {"type": "string"}
_FLAG: Node = {"type": "boolean"}
_VERSION: Node = {"type": "string", "minLength": 6, "maxLength": 64}
_ANY: Node = {"type": "object"}
_REFUSED: Node = {
    "409": "this cannot be done; the message says why, and nothing was changed",
    "507": "the registry cannot be written or read",
}


def paths(model: Model, operation: Callable[..., Node]) -> Node:
    """The paths of one model."""
    base, version = f"/v1/admin/models/{model.name}", model.version
    maybe = {"type": ["string", "null"], "minLength": 6, "maxLength": 64}
    share = {"type": "number", "minimum": 0, "maximum": 100}
    bodies = {
        "promote": ("let a version answer", {"version": _VERSION, "force": _FLAG, "reason": _TEXT}),
        "rollback": (
            "let the stable version before answer again, or what was learnt by then",
            {"reason": _TEXT, "learned": {"type": "integer", "minimum": 0}},
        ),
        "traffic": (
            "choose canary and shadow",
            {"canary": maybe, "percent": share, "shadow": maybe, "force": _FLAG},
        ),
    }
    examples: Node = {"promote": {"version": version}, "rollback": {}, "traffic": {"canary": None}}
    found: Node = {}
    for word, (summary, properties) in bodies.items():
        body = {"type": "object", "properties": properties, "additionalProperties": False}
        found[f"{base}/{word}"] = {
            "post": _refusable(operation(summary, _ANY, body, examples[word]))
        }
    pushed = operation("keep a bundle's zip as a version", _ANY, _TEXT, "")
    pushed["requestBody"]["content"] = {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
    }
    return {**found, f"{base}/push": {"post": _refusable(pushed)}}


def _refusable(told: Node) -> Node:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for code, says in _REFUSED.items():
        told["responses"][code] = {"description": says, "content": error}
    return told
