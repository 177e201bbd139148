"""Trees in an exported graph become ONNX's own operator: a hundred times as fast as steps down."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

DOMAIN = "bigmodel"  # of the nodes that models/networks/trees.py leaves in the graph
_ML, _ML_VERSION = "ai.onnx.ml", 3

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


def with_tree_ensembles(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with each node of our own replaced, in place; its tensors become attributes."""
    graph = model.graph
    ours = [node for node in graph.node if node.domain == DOMAIN]
    if not ours:
        return model
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in ours:
        feature, threshold, left, right = (
            numpy_helper.to_array(constants[name]) for name in node.input[1:]
        )
        number = f"{node.output[0]}_number"
        new = [
            helper.make_node(
                "TreeEnsembleRegressor",
                [node.input[0]],
                [number],
                domain=_ML,
                **_attributes(feature, threshold, left, right),
            ),
            helper.make_node("Cast", [number], [node.output[0]], to=onnx.TensorProto.INT64),
        ]
        place = list(graph.node).index(node)
        graph.node.remove(node)
        for made in reversed(new):
            graph.node.insert(place, made)
    _sweep(model)
    return model


def _sweep(model: onnx.ModelProto) -> None:
    """Take out what only our own nodes used."""
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
    for opset in [opset for opset in model.opset_import if opset.domain in (DOMAIN, _ML)]:
        model.opset_import.remove(opset)
    model.opset_import.append(helper.make_opsetid(_ML, _ML_VERSION))


def _attributes(feature: Ints, threshold: Floats, left: Ints, right: Ints) -> dict[str, Any]:
    """Of an ensemble of which each tree has an output of its own: the number of the leaf."""
    tree = np.arange(len(feature))[:, None] + np.zeros_like(feature)
    node = np.arange(feature.shape[1]) + np.zeros_like(feature)
    leads = left != node  # not a leaf, nor the padding of a small tree
    exists = node == 0
    for child in (left, right):
        exists[tree[leads], child[leads]] = True
    ends = exists & ~leads
    return {
        "n_targets": len(feature),
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "nodes_treeids": tree[exists].tolist(),
        "nodes_nodeids": node[exists].tolist(),
        "nodes_featureids": feature[exists].tolist(),
        "nodes_values": threshold[exists].tolist(),
        "nodes_modes": np.where(leads[exists], "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_truenodeids": np.where(leads, left, 0)[exists].tolist(),
        "nodes_falsenodeids": np.where(leads, right, 0)[exists].tolist(),
        "target_treeids": tree[ends].tolist(),
        "target_nodeids": node[ends].tolist(),
        "target_ids": tree[ends].tolist(),
        "target_weights": node[ends].astype(float).tolist(),
    }
