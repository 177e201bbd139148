"""The Open Inference Protocol V2: what clients of KServe and Triton speak."""

from typing import Any

from bigmodel import __version__
from bigmodel.serving import tensors
from bigmodel.serving.answers import Answers, Later
from bigmodel.serving.errors import invalid
from bigmodel.serving.http import Request, Response, json, loads
from bigmodel.serving.ids import prediction_ids
from bigmodel.serving.model import Model
from bigmodel.serving.rows import Batch, Reader
from bigmodel.serving.service import Service
from bigmodel.serving.table import DATATYPES, MATRIX, place, table_of

_LENGTH = b"inference-header-content-length"
_OF_LABELS = {"bool": "BOOL", "int64": "INT64", "float64": "FP64"}  # by the target's dtype


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


async def infer(service: Service, request: Request) -> Response:
    """Tensors of columns in, tensors of answers out."""
    model = service.take(request)
    limits = service.settings.limits
    body = await request.body(limits.body_bytes, limits.body_seconds)
    head, binary = tensors.split(body, request.headers.get(_LENGTH))
    content = loads(head)
    if not isinstance(content, dict):
        raise invalid("the body has to be a JSON object")
    given = content.get("parameters")
    settings = dict(given) if isinstance(given, dict) else {}
    all_binary = settings.pop("binary_data_output", False) is True
    parameters = model.parameters.read(settings)
    wanted = _wanted(content.get("outputs"), model, all_binary)
    reader = model.reader
    table = table_of(
        tensors.read(content.get("inputs"), binary), reader.needed, reader.plain, limits.rows
    )

    def read(reader: Reader) -> Batch:
        request.ticket.still()
        return reader.columns(table.columns, len(table), place)

    answers = await model.answer(read, len(table), parameters)
    ids = prediction_ids(len(table))
    service.collector.predicted(request, ids, table, Later(answers))
    told = {"model_name": model.name, "model_version": model.version}
    if isinstance(content.get("id"), str):
        told["id"] = content["id"]
    return _response(told, wanted, _values(answers, ids), model)


def described(model: Model) -> dict[str, Any]:
    """Platform, inputs and outputs, as the protocol's metadata have them."""
    inputs = [
        tensors.described(name, DATATYPES[column.kind], [-1])
        for name, column in model.reader.needed.items()
    ]
    told: dict[str, Any] = {"platform": "bigmodel_onnxruntime", "inputs": inputs}
    outputs = _outputs(model)
    told["outputs"] = [tensors.described(name, *outputs[name]) for name in outputs]
    if model.reader.plain:  # in place of their own tensors
        told["parameters"] = {"matrix": MATRIX, "columns": list(model.reader.plain)}
    return told


def _model(service: Service, request: Request) -> Model:
    return service.model(request.arguments["name"], request.arguments.get("version"))


def _outputs(model: Model) -> dict[str, tuple[str, list[int]]]:
    """Datatype and shape of each output."""
    target = model.schema.target
    label = "FP64" if not target.classes else _OF_LABELS.get(target.dtype, tensors.BYTES)
    outputs: dict[str, tuple[str, list[int]]] = {"prediction": (label, [-1])}
    if target.classes:
        outputs["probabilities"] = ("FP64", [-1, len(target.classes)])
    return {**outputs, "prediction_id": (tensors.BYTES, [-1])}


def _wanted(told: Any, model: Model, all_binary: bool) -> dict[str, bool]:
    """The outputs that are asked for, all by default, and whether each is to be binary."""
    known = _outputs(model)
    if told is None or told == []:
        return dict.fromkeys(known, all_binary)
    if not isinstance(told, list):
        raise invalid("give the outputs as a list of objects", "outputs")
    wanted = {}
    for index, output in enumerate(told):
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(name, str) or name not in known:
            raise invalid(f"the outputs are {', '.join(known)}", f"outputs[{index}]")
        settings = output.get("parameters")
        settings = settings if isinstance(settings, dict) else {}
        wanted[name] = settings.get("binary_data", all_binary) is True
    return wanted


def _values(answers: Answers, ids: list[str]) -> dict[str, Any]:
    return {
        "prediction": answers.predictions,
        "probabilities": answers.probabilities,
        "prediction_id": ids,
    }


def _response(
    told: dict[str, Any], wanted: dict[str, bool], values: dict[str, Any], model: Model
) -> Response:
    """The JSON, and behind it the binary data of the outputs that are to be so."""
    known, outputs, parts = _outputs(model), [], []
    for name, binary in wanted.items():
        datatype, shape = known[name]
        value = values[name]
        output = tensors.described(name, datatype, [len(value), *shape[1:]])
        if binary:
            parts.append(tensors.write(name, value, datatype))
            outputs.append({**output, "parameters": {"binary_data_size": len(parts[-1])}})
        else:
            data = value if isinstance(value, list) else value.ravel()
            outputs.append({**output, "data": data})
    response = json({**told, "outputs": outputs})
    if not parts:
        return response
    length = len(response.body)
    return Response(
        b"".join([response.body, *parts]),
        b"application/octet-stream",
        headers=[(_LENGTH, b"%d" % length)],
    )
