"""What a run hands over to be served: a file, and the engine that runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.engine import Engine
from bigmodel.bundle.golden import TOLERANCE
from bigmodel.bundle.live import LiveEngine, to_files
from bigmodel.bundle.sessions import ONNXRUNTIME
from bigmodel.data.encoder import Encoded


@dataclass(frozen=True)
class Served:
    """The file `onnx` that is served, the engine that runs it, and whether it is `compressed`.

    Its answers may be off by `tolerance` on another processor. A model that keeps learning is
    `live`, and has `held` its answers to a split from before it had learnt the labels.
    """

    onnx: bytes
    engine: str = ONNXRUNTIME
    tolerance: float = TOLERANCE
    compressed: bool = False
    live: LiveEngine | None = None
    held: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)

    def answer(self, rows: Encoded) -> NDArray[np.float32]:
        """What the engine makes of encoded rows, (n, n_outputs)."""
        return self._opened.run(rows) if self.live is None else self.live.run(rows)

    @property
    def more(self) -> dict[str, bytes]:
        """Files of the bundle that only such a model has."""
        return {} if self.live is None else to_files(self.live.learner, self.live.columns)

    @cached_property
    def _opened(self) -> Engine:
        return Engine(self.onnx, "the network to be served", kind=self.engine)
