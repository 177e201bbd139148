"""Four-bit weights: stored packed, unpacked when the file is opened, run by the float kernels.

ONNX Runtime's fused kernel for such weights (MatMulNBits) is faster for one row and slower for
many; unpacked weights are never slower than floats.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import onnx
from annotated_types import Ge
from numpy.typing import NDArray

from bigmodel.compression import quantise
from bigmodel.compression.candidate import Candidate
from bigmodel.compression.graph import Graph, channel_axis
from bigmodel.compression.step import Step, Unsupported
from bigmodel.compression.work import Work
from bigmodel.data.encoder import Encoded

__all__ = ["Int4"]

_MOST = 7  # symmetric: -7..7
_LEAST_GROUP = 16


@dataclass(frozen=True)
class Int4(Step):
    """Each `group` of weights of an output shares a scale, max |w| / 7; tables, one for each row.

    A group is the largest divisor of a layer's inputs that is no larger than `group`.
    """

    group: Annotated[int, Ge(_LEAST_GROUP)] = 64

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The same network, its graph coded."""
        if not quantise.names(onnx.load_model_from_string(candidate.plain)):
            raise Unsupported("it has no linear, convolution or embedding layer of weights")
        return candidate.with_coding(self._code)

    def softer(self, candidate: Candidate) -> "Step | None":
        """Smaller groups."""
        return replace(self, group=self.group // 2) if self.group // 2 >= _LEAST_GROUP else None

    def __str__(self) -> str:
        return f"groups of {self.group}"

    def _code(self, model: onnx.ModelProto, rows: Encoded) -> onnx.ModelProto:
        graph = Graph(model)
        done = set()
        for node, name, values in list(graph.layers()):
            if name not in done and values.dtype == np.float32:
                done.add(name)
                _scaled(graph, name, values, channel_axis(node, values), self.group)
        return quantise.with_small_tables(graph.finish(), 4, ())


def _scaled(graph: Graph, name: str, values: NDArray[Any], outputs: int, group: int) -> None:
    """The constant `name` as integers times scales, which the engine multiplies at load."""
    inputs = (1 if outputs == 0 else values.ndim - 2) if values.ndim > 1 else 0
    count = values.shape[inputs]
    size = max(d for d in range(1, min(group, count) + 1) if count % d == 0)
    size = size if size >= min(_LEAST_GROUP, count) else count
    split = (*values.shape[:inputs], count // size, size, *values.shape[inputs + 1 :])
    parts = values.reshape(split)
    scale = np.abs(parts).max(axis=inputs + 1, keepdims=True) / _MOST
    scale = np.where(scale > 0, scale, 1.0).astype(np.float16).astype(np.float32)
    scale = np.maximum(scale, np.float32(2.0**-24))  # float16's least: packed in two bytes
    codes = np.clip(np.rint(parts / scale), -_MOST, _MOST).astype(np.int8)
    graph.remove(name)
    whole = graph.add(f"{name}/codes", codes)
    number = graph.node("Cast", [whole], f"{name}/float", to=onnx.TensorProto.FLOAT)
    product = graph.node("Mul", [number, graph.add(f"{name}/scales", scale)], f"{name}/parts")
    shape = graph.add(f"{name}/shape", np.array(values.shape, np.int64))
    graph.node("Reshape", [product, shape], name)
