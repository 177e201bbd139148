"""What the codings share: an exported graph, its large constants, and nodes put before them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

LEAST = 256  # elements: below, what unpacks a tensor is larger than what it saves
LAYERS = ("Gemm", "MatMul", "Conv")  # the nodes whose second input are weights


class Graph:
    """A model whose constants are replaced one by one; `finish` gives the changed model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self._first: list[onnx.NodeProto] = []  # what makes constants stands before what uses them
        self._names = {tensor.name for tensor in self.model.graph.initializer}

    def constants(self) -> dict[str, NDArray[Any]]:
        """The large constants by name."""
        return {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in self.model.graph.initializer
            if np.prod(tensor.dims) >= LEAST
        }

    def layers(self) -> Iterator[tuple[onnx.NodeProto, str, NDArray[Any]]]:
        """Each node that multiplies by weights: the node, the weights' name and values."""
        known = self.constants()
        for node in self.model.graph.node:
            if node.op_type in LAYERS and node.input[1] in known:
                yield node, node.input[1], known[node.input[1]]

    def tables(self) -> Iterator[tuple[onnx.NodeProto, str, NDArray[Any]]]:
        """Each lookup in a table of floats (n, d): the node, the table's name and values."""
        known = self.constants()
        for node in self.model.graph.node:
            values = known.get(node.input[0]) if node.op_type == "Gather" else None
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            if values is not None and values.ndim == 2 and axis == 0 and values.dtype == np.float32:
                yield node, node.input[0], values

    def add(self, name: str, values: NDArray[Any]) -> str:
        """A new constant; one of the same name and content is used again."""
        if name not in self._names:
            self._names.add(name)
            array = np.asarray(values, order="C")
            self.model.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def set(self, name: str, values: NDArray[Any]) -> None:
        """Change a constant's values."""
        for tensor in self.model.graph.initializer:
            if tensor.name == name:
                tensor.CopyFrom(numpy_helper.from_array(np.asarray(values, order="C"), name))

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """A node that runs before those of the model; returns its output's name."""
        self._first.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def remove(self, name: str) -> None:
        """Take a constant out, for a node that gives it instead."""
        kept = [tensor for tensor in self.model.graph.initializer if tensor.name != name]
        del self.model.graph.initializer[:]
        self.model.graph.initializer.extend(kept)

    def finish(self) -> onnx.ModelProto:
        """The model with the new nodes, without constants that nothing uses."""
        graph = self.model.graph
        nodes = [*self._first, *graph.node]
        del graph.node[:]
        graph.node.extend(nodes)
        used = {name for node in nodes for name in node.input} | {o.name for o in graph.output}
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        return self.model


def input_axes(node: onnx.NodeProto, values: NDArray[Any]) -> tuple[int, ...]:
    """The axes of a node's weights that are summed over: what shares a scale.

    Of a table, the axis of a row's numbers; of several matrices (n, in, out), each has its own.
    """
    if node.op_type == "Gather":
        return (1,)
    if node.op_type == "Conv" or any(a.name == "transB" and a.i for a in node.attribute):
        return tuple(range(1, values.ndim))
    return (values.ndim - 2,)


def rounded(
    values: NDArray[Any], axes: tuple[int, ...], bits: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric integers of `bits` bits, and the scales that the slices along `axes` share.

    w ~ q s with s = max |w| / (2^(bits - 1) - 1); the scales keep `values`' number of axes.
    """
    most = 2 ** (bits - 1) - 1
    scale = np.abs(values).max(axis=axes, keepdims=True) / most
    scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
    return np.clip(np.rint(values / scale), -most, most).astype(np.int8), scale


def multiply(graph: Graph, name: str, codes: NDArray[np.int8], scale: NDArray[np.float32]) -> str:
    """The float constant `name` as integers times scales, which the engine multiplies at load."""
    whole = graph.add(f"{name}/codes", codes)
    number = graph.node("Cast", [whole], f"{name}/float", to=onnx.TensorProto.FLOAT)
    scales = graph.add(f"{name}/scales", scale)
    graph.remove(name)
    return graph.node("Mul", [number, scales], name)
