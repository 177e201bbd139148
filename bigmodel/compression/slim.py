"""Take out of an ONNX file what says nothing to the engine: long names, zeros that are defaults."""

import itertools

import numpy as np
import onnx
from onnx import numpy_helper


def slim(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with short names inside; what goes in and comes out keeps its name."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    _drop_zero_points(made.graph)
    _shorten(made.graph)
    return made


def _drop_zero_points(graph: onnx.GraphProto) -> None:
    """Zero points of biases, all 0 by default; integer kernels need those of weights."""
    zeros = {
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.INT32 and not numpy_helper.to_array(tensor).any()
    }
    for node in graph.node:
        given = list(node.input)
        if node.op_type == "DequantizeLinear" and len(given) == 3 and given[2] in zeros:
            del node.input[2]
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _shorten(graph: onnx.GraphProto) -> None:
    outside = {value.name for value in (*graph.input, *graph.output)}
    counter = (f"v{np.base_repr(number, 36)}" for number in itertools.count())
    short: dict[str, str] = {"": ""}

    def name(long: str) -> str:
        if long not in short:
            short[long] = long if long in outside else next(n for n in counter if n not in outside)
        return short[long]

    for tensor in graph.initializer:
        tensor.name = name(tensor.name)
    for node in graph.node:
        node.ClearField("name")
        for names in (node.input, node.output):
            shortened = [name(long) for long in names]
            del names[:]
            names.extend(shortened)
