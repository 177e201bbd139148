"""The trained network as ONNX: the one module of this room that imports torch."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bigmodel.bundle.trees import with_tree_ensembles
from bigmodel.data.batch import reads
from bigmodel.data.spec import ModelSpec

OPSET = 18  # the newest that the compression tools rewrite without a conversion
_EXAMPLE_ROWS = 2  # with one row the exporter would fix the batch size to 1
_MAX_ROWS = 1 << 30
_DTYPES = {
    "numeric": torch.float32,
    "categorical": torch.int32,
    "tokens": torch.int32,
    "image": torch.uint8,
}


def to_onnx(network: nn.Module, spec: ModelSpec) -> bytes:
    """The network in evaluation mode, as one ONNX file without external data.

    The graph has the inputs that `network.forward` reads, under their names and with the shapes
    of `spec`, less those without columns; the output "output", float32 (n, n_outputs); any number
    of rows, and as many tokens as the longest of them has. The network itself is left as it is:
    its mode, its device and its gradients.
    """
    shapes = {name: spec.shapes[name] for name in reads(network)}
    present = [name for name, shape in shapes.items() if 0 not in shape]
    dims = {0: torch.export.Dim("rows", min=1, max=_MAX_ROWS)}
    texts = dims | {1: torch.export.Dim("length", min=1, max=max(2, spec.length))}
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            _Graph(network, shapes, present),
            tuple(_zeros(_EXAMPLE_ROWS, name, shapes[name]) for name in present),
            input_names=present,
            output_names=["output"],
            dynamic_shapes=(tuple(texts if name == "tokens" else dims for name in present),),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return stripped(with_tree_ensembles(program.model_proto))


class _Graph(nn.Module):
    """A copy of the network that asks only for the inputs that have columns."""

    def __init__(
        self, network: nn.Module, shapes: dict[str, tuple[int, ...]], present: list[str]
    ) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).cpu().eval()
        self.shapes, self.present = shapes, present
        self.eval()

    def forward(self, *inputs: Tensor) -> Any:
        given = dict(zip(self.present, inputs, strict=True))
        rows = inputs[0].shape[0]
        return self.network(
            *[
                given[name] if name in given else _zeros(rows, name, shape)
                for name, shape in self.shapes.items()
            ]
        )


def _zeros(rows: int, name: str, shape: tuple[int, ...]) -> Tensor:
    return torch.zeros((rows, *shape), dtype=_DTYPES[name])


def stripped(model: Any) -> bytes:
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
