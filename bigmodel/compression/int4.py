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
from bigmodel.compression.graph import Graph, input_axes, multiply
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
                _scaled(graph, name, values, input_axes(node, values)[0], self.group)
        return quantise.weights_alone(graph.finish(), 4, ())


def _scaled(graph: Graph, name: str, values: NDArray[Any], axis: int, group: int) -> None:
    """The constant `name` as integers times the scales of groups along `axis`."""
    count = values.shape[axis]
    size = max(d for d in range(1, min(group, count) + 1) if count % d == 0)
    size = size if size >= min(_LEAST_GROUP, count) else count
    parts = values.reshape(*values.shape[:axis], count // size, size, *values.shape[axis + 1 :])
    scale = np.abs(parts).max(axis=axis + 1, keepdims=True) / _MOST
    scale = scale.astype(np.float16).astype(np.float32)  # packed in two bytes
    scale = np.where(scale > 0, scale, np.float32(1))
    codes = np.clip(np.rint(parts / scale), -_MOST, _MOST).astype(np.int8)
    product = f"{name}/parts"
    graph.add(product, parts)
    multiply(graph, product, codes, scale)
    graph.remove(name)
    shape = graph.add(f"{name}/shape", np.array(values.shape, np.int64))
    graph.node("Reshape", [product, shape], name)
