"""The engine that serves: the one that the config names, or the faster one on this machine."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import onnx

from bigmodel.bundle.export import to_onnx
from bigmodel.bundle.golden import INTEGER_TOLERANCE, TOLERANCE
from bigmodel.bundle.sessions import ONNXRUNTIME, OPENVINO
from bigmodel.compression import latency
from bigmodel.compression.work import sample
from bigmodel.data.encoder import Encoded
from bigmodel.data.tables import TableData
from bigmodel.errors import UserError
from bigmodel.models.task import Task
from bigmodel.training.served import Served

__all__ = ["Export"]

_SECONDS = 1.0  # of timing, for each batch size
_GAIN = 1.1  # of the other engine, before it is worth a dependency: below, it may be noise
_LEAST = 0.95  # of the speed for one row, and for many
_ROWS = 64
_INTEGERS = {"QuantizeLinear", "DynamicQuantizeLinear"}


@dataclass(frozen=True)
class Export:
    """Which `engine` runs the network of the bundle: `auto` is the faster one on this machine."""

    engine: Literal["onnxruntime", "openvino", "auto"] = "onnxruntime"

    def __post_init__(self) -> None:
        if self.engine == OPENVINO and not _installed():
            raise UserError('export.engine=openvino: pip install "bigmodel[openvino]"')

    def served(self, small: bytes | None, model: Task, data: TableData) -> Served:
        """The file to serve, the compressed one where there is one, and what is to run it."""
        file = small or to_onnx(model.network, data.spec)
        engine = self.engine if self.engine != "auto" else faster(file, sample(data, _ROWS))
        integers = small is not None and bool(_kinds(file) & _INTEGERS)
        return Served(
            file, engine, INTEGER_TOLERANCE if integers else TOLERANCE, compressed=small is not None
        )


def _kinds(file: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_model_from_string(file).graph.node}


def _installed() -> bool:
    return find_spec(OPENVINO) is not None


def faster(file: bytes, rows: Encoded) -> str:
    """The name of the faster engine, for one row and for 64 together; says by how much."""
    if not _installed():
        print('export: only onnxruntime is there to choose; pip install "bigmodel[openvino]"')
        return ONNXRUNTIME
    gains = []
    for batch in latency.BATCHES:
        few = rows.rows(slice(batch))
        try:
            calls = {name: latency.asks(file, few, name) for name in (ONNXRUNTIME, OPENVINO)}
        except UserError as error:
            print(f"export: {error}; onnxruntime is taken")
            return ONNXRUNTIME
        took = latency.medians(calls, _SECONDS)
        gains.append(latency.ratio(took[ONNXRUNTIME], took[OPENVINO]).value)
    better = min(gains) >= _LEAST and gains[0] * gains[1] >= _GAIN**2
    taken = OPENVINO if better else ONNXRUNTIME
    print(
        f"export: openvino is {gains[0]:.2f} times as fast as onnxruntime for 1 row, "
        f"{gains[1]:.2f} for {latency.BATCHES[1]}: {taken} is taken"
    )
    return taken
