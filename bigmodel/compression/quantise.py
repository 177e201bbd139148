"""Integers in place of floats, on the exported graph: what ONNX Runtime runs with int8 kernels."""

import logging
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from bigmodel.compression.graph import LAYERS, Graph, input_axes, multiply, rounded
from bigmodel.data.encoder import Encoded

Bits = int | Mapping[str, int]

_BATCH = 32
# what stands between convolutions, and has an integer kernel; elsewhere it would only cost
_BETWEEN_CONVOLUTIONS = ("Add", "Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool")


def static(
    model: onnx.ModelProto, rows: Encoded, bits: Bits, keep: Collection[str]
) -> onnx.ModelProto:
    """Weights and activations as int8, the ranges of these found on `rows`.

    Weights have a scale for each output and `bits` bits, or those that `bits` has for their name
    (else 8); the layers and tables whose weights are named in `keep` stay floats.
    """
    with _workplace() as place:
        folded = _coarse(_folded(model, place), bits, keep)
        kinds = {node.op_type for node in folded.graph.node}
        between = _BETWEEN_CONVOLUTIONS if "Conv" in kinds else ()
        quantize_static(
            folded,
            str(place / "int8.onnx"),
            _Reader(folded, rows),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=[*LAYERS, *between],
            nodes_to_exclude=_excluded(folded, keep),
            extra_options={
                # what a norm reads, or the caller, gains nothing by being rounded
                "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
            },
        )
        return weights_alone(onnx.load(place / "int8.onnx"), bits, keep)


def dynamic(model: onnx.ModelProto, bits: Bits, keep: Collection[str]) -> onnx.ModelProto:
    """Weights as int8; activations are rounded by their range in each request.

    Never convolutions: ONNX Runtime's kernel for them is several times slower than floats.
    """
    with _workplace() as place:
        folded = _coarse(_folded(model, place), bits, keep)
        quantize_dynamic(
            folded,
            str(place / "int8.onnx"),
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Gemm", "MatMul"],
            nodes_to_exclude=_excluded(folded, keep),
        )
        return weights_alone(onnx.load(place / "int8.onnx"), bits, keep)


def weights_alone(model: onnx.ModelProto, bits: Bits, keep: Collection[str]) -> onnx.ModelProto:
    """As integers on disk what has no integer kernel: layers of several matrices, lookup tables.

    The engine makes them floats when it opens the file. (Rows of a table that become floats when
    they are looked up would take a quarter of the memory, and up to twice the time.)
    """
    graph = Graph(model)
    batched = [found for found in graph.layers() if _batched(found[0], found[2])]
    done = set(keep)
    for node, name, values in [*batched, *graph.tables()]:
        if name not in done:
            done.add(name)
            multiply(graph, name, *rounded(values, input_axes(node, values), _of(bits, name)))
    return graph.finish()


def names(model: onnx.ModelProto) -> list[str]:
    """The weights and tables that can be made integers, by name, in the graph's order."""
    graph = Graph(model)
    return list(dict.fromkeys(name for _, name, _ in (*graph.layers(), *graph.tables())))


def _folded(model: onnx.ModelProto, place: Path) -> onnx.ModelProto:
    """The model with batch norms folded into weights, and its shapes known."""
    onnx.save(model, place / "given.onnx")  # a model in memory would be changed
    given, folded = str(place / "given.onnx"), str(place / "folded.onnx")
    quant_pre_process(given, folded, skip_symbolic_shape=True)
    return onnx.load(folded)


def _coarse(model: onnx.ModelProto, bits: Bits, keep: Collection[str]) -> onnx.ModelProto:
    """Weights rounded to `bits` bits: the int8 that they become has few different values."""
    graph = Graph(model)
    for node, name, values in list(graph.layers()):
        few = _of(bits, name)
        if few < 8 and name not in keep and not _batched(node, values):
            codes, scale = rounded(values, input_axes(node, values), few)
            graph.set(name, codes * scale)
    return graph.finish()


def _of(bits: Bits, name: str) -> int:
    return bits if isinstance(bits, int) else bits.get(name, 8)


def _excluded(model: onnx.ModelProto, keep: Collection[str]) -> list[str]:
    """The nodes that stay floats: asked for, or products that are not of weights (attention)."""
    graph = Graph(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type in LAYERS]
    others = [node.name for node in products if node.input[1] not in constants]
    named = [n.name for n, name, v in graph.layers() if name in keep or _batched(n, v)]
    return [*others, *named]


def _batched(node: onnx.NodeProto, values: NDArray[Any]) -> bool:
    """Whether a product is one of several matrices: no integer kernel takes a scale for each."""
    return node.op_type == "MatMul" and values.ndim > 2 and values.dtype == np.float32


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands out calibration rows, in small batches."""

    def __init__(self, model: onnx.ModelProto, rows: Encoded) -> None:
        given = rows.named()
        asked = {name.name: given[name.name] for name in model.graph.input}
        self._feeds = _batches(asked)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next batch by name, None after the last one."""
        return next(self._feeds, None)


def _batches(given: dict[str, NDArray[Any]]) -> Iterator[dict[str, NDArray[Any]]]:
    rows = len(next(iter(given.values())))
    for start in range(0, rows, _BATCH):
        yield {name: array[start : start + _BATCH] for name, array in given.items()}


@contextmanager
def _workplace() -> Iterator[Path]:
    """A directory for the quantiser's files, and silence about what is meant to be."""
    before = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="bigmodel-") as name:
            yield Path(name)
    finally:
        logging.root.setLevel(before)
