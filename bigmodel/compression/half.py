"""Weights in two bytes; the engine makes them floats when it opens the file."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.graph import Graph
from bigmodel.compression.step import Step
from bigmodel.compression.work import Work
from bigmodel.data.encoder import Encoded

__all__ = ["Half"]


@dataclass(frozen=True)
class Half(Step):
    """Large constants rounded to `kind`; computed with as floats, so that nothing gets slower."""

    kind: Literal["float16", "bfloat16"] = "float16"

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The same network, its graph coded."""
        return candidate.with_coding(self._code)

    def _code(self, model: onnx.ModelProto, rows: Encoded) -> onnx.ModelProto:
        graph = Graph(model)
        for name, values in graph.constants().items():
            if values.dtype == np.float32:
                graph.set(name, in_half(values, self.kind))
        return graph.finish()


def in_half(values: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """The floats nearest to `values` that two bytes can hold; too large ones stay as they are."""
    if kind == "bfloat16":
        import ml_dtypes  # comes with onnx

        return values.astype(ml_dtypes.bfloat16).astype(np.float32)
    with np.errstate(over="ignore"):
        near = values.astype(np.float16).astype(np.float32)
    return np.where(np.isfinite(near), near, values)
