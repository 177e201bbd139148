"""The trained network as ONNX: the one module of this room that imports torch."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bigmodel.data.spec import ModelSpec

OPSET = 18  # the newest that the compression tools rewrite without a conversion
_EXAMPLE_ROWS = 2  # with one row the exporter would fix the batch size to 1
_MAX_ROWS = 1 << 30
_DTYPES = {"numeric": torch.float32, "categorical": torch.int32}


def to_onnx(network: nn.Module, spec: ModelSpec) -> bytes:
    """The network in evaluation mode, as one ONNX file without external data.

    `network(numeric, categorical)` takes float32 (n, p) and int32 (n, q) and gives float32
    (n, n_outputs). The graph has the inputs "numeric" and "categorical", only those with
    columns, the output "output", and any number of rows. The network itself is left as it is:
    its mode, its device and its gradients.
    """
    widths = {"numeric": spec.n_numeric, "categorical": len(spec.cardinalities)}
    present = [name for name, width in widths.items() if width]
    rows = torch.export.Dim("rows", min=1, max=_MAX_ROWS)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            _Graph(network, present),
            tuple(_zeros(_EXAMPLE_ROWS, widths[name], name) for name in present),
            input_names=present,
            output_names=["output"],
            dynamic_shapes=(tuple({0: rows} for _ in present),),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return _stripped(program.model_proto)


class _Graph(nn.Module):
    """A copy of the network that asks only for the inputs that have columns."""

    def __init__(self, network: nn.Module, present: list[str]) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().eval()
        self.present = present
        self.eval()

    def forward(self, *inputs: Tensor) -> Any:
        given = dict(zip(self.present, inputs, strict=True))
        rows = inputs[0].shape[0]
        both = (given[name] if name in given else _zeros(rows, 0, name) for name in _DTYPES)
        return self.network(*both)


def _zeros(rows: int, width: int, name: str) -> Tensor:
    return torch.zeros((rows, width), dtype=_DTYPES[name])


def _stripped(model: Any) -> bytes:
    """The model without what only debuggers read: often more than half of a small file."""
    model.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    model.graph.ClearField("metadata_props")
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that tables do not need."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
