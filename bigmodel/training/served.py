"""What a run hands over to be served: a file, and the engine that runs it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.engine import Engine
from bigmodel.bundle.golden import TOLERANCE
from bigmodel.bundle.sessions import ONNXRUNTIME
from bigmodel.data.encoder import Encoded


@dataclass(frozen=True)
class Served:
    """The file `onnx` that is served, the engine that runs it, and whether it is `compressed`.

    Its answers may be off by `tolerance` on another processor.
    """

    onnx: bytes
    engine: str = ONNXRUNTIME
    tolerance: float = TOLERANCE
    compressed: bool = False

    def answer(self, rows: Encoded) -> NDArray[np.float32]:
        """What the engine makes of encoded rows, (n, n_outputs)."""
        return self._opened.run(rows)

    @cached_property
    def _opened(self) -> Engine:
        return Engine(self.onnx, "the network to be served", kind=self.engine)
