"""Feedback as callers send it: which prediction, and what the row turned out to be."""

import math
import re
import time
from typing import Any

import orjson

from bigmodel.data.convert import LARGEST
from bigmodel.data.schema import Target
from bigmodel.data.target import class_of
from bigmodel.serving.errors import ApiError, invalid
from bigmodel.serving.store import Label, Outcome

MOST = 4096  # labels in a request: as many as rows
_ID = re.compile(r"([0-9a-f]{24})-(0|[1-9][0-9]{0,6})")
_WHOLE, _LONGEST = re.compile(r"0|-?[1-9][0-9]{0,14}"), 100  # of the name of a new class
_FORM = '{"prediction_id": ..., "label": ...}, or {"feedback": [such objects]}'


def parse(content: Any, target: Target, model: str, key: str, *, grows: bool) -> list[Label]:
    """The labels in a body's JSON; where the model `grows`, they may be of new classes.

    Raises ApiError 422 (413: too many), naming the field.
    """
    now = time.time()
    found = []
    for position, entry in enumerate(_entries(content)):
        place = _place(content, position)
        if not isinstance(entry, dict) or entry.keys() != {"prediction_id", "label"}:
            raise invalid(f"feedback is {_FORM}", place.rstrip(".") or None)
        request, row = _id(entry["prediction_id"], f"{place}prediction_id")
        label = orjson.dumps(checked(entry["label"], target, f"{place}label", grows=grows))
        found.append(Label(request, row, now, model, key, label))
    return found


def checked(label: Any, target: Target, field: str, *, grows: bool = False) -> str | float:
    """The label as it is stored: the class as the schema writes it, or a number.

    Raises ApiError 422 for what the target cannot be; where it `grows`, that is only what is of
    another type than its classes.
    """
    if target.task == "regression":
        number = isinstance(label, int | float) and not isinstance(label, bool)
        if not number or not math.isfinite(label) or abs(label) > LARGEST:
            raise invalid("a label of this model is a finite number", field)
        return float(label)
    boolean = isinstance(label, bool)
    value = boolean if target.dtype == "bool" else isinstance(label, int | float) and not boolean
    name = class_of(label, target) if value or isinstance(label, str) else None
    if name is None or (name not in target.classes and not (grows and _may_be(name, target))):
        raise invalid(_classes(target), field)
    return name


def _may_be(name: str, target: Target) -> bool:
    """Whether a class of this name could come to those of the target."""
    if target.dtype == "bool":
        return False
    if target.dtype == "int64":
        return _WHOLE.fullmatch(name) is not None
    if target.dtype == "float64":
        return _number(name)
    return 0 < len(name) <= _LONGEST and name.isprintable() and name == name.strip()


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def refusal(outcome: Outcome, content: Any, position: int) -> ApiError:
    """Why a label was not stored, nor any other of its request."""
    place = _place(content, position)
    if outcome == "conflict":
        message = "this prediction has another label already; nothing of the request was stored"
        return ApiError(409, "label_conflict", message, f"{place}label")
    return invalid(
        "this prediction is another model's, or its request had fewer rows; "
        "nothing of the request was stored",
        f"{place}prediction_id",
    )


def _entries(content: Any) -> list[Any]:
    if not isinstance(content, dict) or "feedback" not in content:
        return [content]
    entries = content["feedback"]
    if not isinstance(entries, list) or not entries or len(content) > 1:
        raise invalid(f"feedback is {_FORM}", "feedback")
    if len(entries) > MOST:
        raise ApiError(413, "too_many_labels", f"at most {MOST:,} labels in a request", "feedback")
    return entries


def _place(content: Any, position: int) -> str:
    """How a field of this entry is named: with where the entry is, in a list of them."""
    listed = isinstance(content, dict) and "feedback" in content
    return f"feedback[{position}]." if listed else ""


def _id(given: Any, field: str) -> tuple[str, int]:
    found = _ID.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise invalid("this is no id that a prediction was answered with", field)
    return found[1], int(found[2])


def _classes(target: Target) -> str:
    shown = ", ".join(target.classes[:10])
    more = ", ..." if len(target.classes) > 10 else ""
    return f"a label of this model is one of {shown}{more}"
