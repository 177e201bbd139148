"""The Open Inference Protocol V2: what clients of KServe and Triton speak."""

from typing import Any

from bigmodel import __version__
from bigmodel.serving import tensors
from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import invalid
from bigmodel.serving.exchange import then
from bigmodel.serving.http import Handled, Request, Response, json, loads
from bigmodel.serving.ids import new_id
from bigmodel.serving.model import Model
from bigmodel.serving.outputs import LENGTH
from bigmodel.serving.question import Question
from bigmodel.serving.service import Service
from bigmodel.serving.table import DATATYPES, MATRIX, table_of


async def server(service: Service, request: Request) -> Response:
    """What this server is."""
    told = {"name": "bigmodel", "version": __version__, "extensions": ["binary_tensor_data"]}
    return json(told)


async def metadata(service: Service, request: Request) -> Response:
    """The inputs and outputs of a model."""
    model = _model(service, request)
    names = [one.version for one in service.slot(model.name).versions]
    return json({"name": model.name, "versions": names, **described(model)})


async def ready(service: Service, request: Request) -> Response:
    """The model is loaded."""
    model = _model(service, request)
    return json({"name": model.name, "ready": True})


def infer(service: Service, request: Request) -> Handled:
    """Tensors of columns in, tensors of answers out."""
    model = service.take(request)
    head, binary = tensors.split(request.content, request.headers.get(LENGTH))
    content = loads(head)
    if not isinstance(content, dict):
        raise invalid("the body has to be a JSON object")
    given = content.get("parameters")
    settings = dict(given) if isinstance(given, dict) else {}
    all_binary = settings.pop("binary_data_output", False) is True
    parameters = model.parameters.read(settings or None)
    abstains = parameters.abstain_below is not None
    wanted = model.outputs.wanted(content.get("outputs"), all_binary, abstains=abstains)
    reader = model.reader
    inputs = tensors.read(content.get("inputs"), binary)
    table = table_of(inputs, reader.needed, reader.plain, service.settings.limits.rows)

    question = Question(table, table.rows, request.ticket.still)

    def respond(answers: Answers) -> Response:
        name = new_id()
        service.collector.predicted(request, name, table.rows, table.packed, answers.packed)
        version, learned = model.version, answers.learned
        if learned is not None:
            version = learned.version
            if learned.memos is not None:
                service.collector.remember(request, name, learned.memos)
        told = {"model_name": model.name, "model_version": version}
        if isinstance(content.get("id"), str):
            told["id"] = content["id"]
        return model.outputs.response(told, wanted, answers, name)

    return then(model.answer(question, parameters), respond)


def described(model: Model) -> dict[str, Any]:
    """Platform, inputs and outputs, as the protocol's metadata have them."""
    inputs = [
        tensors.described(name, DATATYPES[column.kind], [-1])
        for name, column in model.reader.needed.items()
    ]
    told: dict[str, Any] = {"platform": "bigmodel_onnxruntime", "inputs": inputs}
    told["outputs"] = [tensors.described(name, *of) for name, of in model.outputs.known.items()]
    if model.reader.plain:  # in place of their own tensors
        told["parameters"] = {"matrix": MATRIX, "columns": list(model.reader.plain)}
    return told


def _model(service: Service, request: Request) -> Model:
    return service.model(request.arguments["name"], request.arguments.get("version"))
