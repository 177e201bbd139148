"""The friendly JSON API: rows in, predictions out."""

from typing import Any

import orjson

from bigmodel.serving import ids, records
from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import ApiError, invalid
from bigmodel.serving.exchange import then
from bigmodel.serving.http import Handled, Request, Response, json, loads
from bigmodel.serving.ids import new_id
from bigmodel.serving.living.figures import told
from bigmodel.serving.places import may_know
from bigmodel.serving.question import Question
from bigmodel.serving.service import Service
from bigmodel.serving.versions import listing


def predict(service: Service, request: Request) -> Handled:
    """`{"rows": [{column: value}]}` to a prediction each, with ids that feedback can name."""
    model = service.take(request)
    content = _content(request)
    rows = _rows(content, service.settings.limits.rows)
    parameters = model.parameters.read(content.get("parameters"))

    question = Question(rows, len(rows), request.ticket.still)

    def respond(answers: Answers) -> Response:
        name, count = new_id(), len(rows)
        predictions = orjson.dumps(answers.objects())
        body = request.content  # is kept as it came, unless there is something to hide
        service.collector.predicted(
            request, name, count, lambda hidden: records.dumped(rows, hidden) if hidden else body,
            lambda: predictions,
        )  # fmt: skip
        version, learned = model.version, answers.learned
        if learned is not None:
            version = learned.version
            if learned.memos is not None:
                service.collector.remember(request, name, learned.memos)
        answer = {"predictions": orjson.Fragment(predictions), "model_version": version}
        return json({**answer, "prediction_ids": orjson.Fragment(ids.listed(name, count))})

    return then(model.answer(question, parameters), respond)


async def feedback(service: Service, request: Request) -> Response:
    """`{"prediction_id", "label"}`, or a list of such; answered when it is on the disk."""
    slot = service.slot(request.arguments["name"])
    request.model = slot.model
    return json(await service.collector.feedback(request, _content(request), slot))


async def model(service: Service, request: Request) -> Response:
    """What is served under this name."""
    model = service.model(request.arguments["name"])
    manifest = model.manifest
    learning = {} if model.living is None else {"learning": told(model.living)}
    return json(
        {
            "name": model.name,
            "version": model.version,
            "state": "ready",
            "task": manifest.task,
            "created": manifest.created,
            "parent": manifest.parent,
            "classes": model.classes,
            "executor": model.mode,
            "loaded": model.loaded,
            "bytes": model.bytes,
            "parameters": model.parameters.schema["properties"],
            **service.slot(model.name).told(may_know(request)),
            **learning,
        }
    )


async def example(service: Service, request: Request) -> Response:
    """A body that `predict` takes."""
    return json({"rows": [service.model(request.arguments["name"]).example]})


async def versions(service: Service, request: Request) -> Response:
    """The versions that there are, what each of them does, and why one does not."""
    return json({"versions": await listing(service, request)})


async def card(service: Service, request: Request) -> Response:
    """The model card, in Markdown."""
    model = service.model(request.arguments["name"])
    return Response(model.card, b"text/markdown; charset=utf-8")


def _content(request: Request) -> dict[str, Any]:
    """The JSON object of the body."""
    content = loads(request.content)
    if not isinstance(content, dict):
        raise invalid("the body has to be a JSON object")
    return content


def _rows(content: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """The rows of a body that has no more than it may: at least one, at most `most`."""
    for name in content.keys() - {"rows", "parameters"}:
        raise invalid("a body has rows, and may have parameters; nothing else", name[:100])
    rows = content.get("rows")
    if not isinstance(rows, list) or not rows:
        raise invalid('give the rows as a list of objects: {"rows": [{column: value}]}', "rows")
    if len(rows) > most:
        raise ApiError(413, "too_many_rows", f"at most {most:,} rows in a request", "rows")
    return rows
