"""Decision trees as a layer: rows in, the leaf that each falls into out."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Ints, Floats = NDArray[np.int64], NDArray[np.float32]


class Trees(nn.Module):
    """Trees that are grown already; nothing in them is trained.

    `feature`, `left`, `right` (trees, nodes) int64 and `threshold` (trees, nodes) float32 say how
    a node asks: a row goes left where its value is at most the threshold. Node 0 is the root; a
    leaf leads to itself, no more than `depth` steps away.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor

    def __init__(
        self, feature: Ints, threshold: Floats, left: Ints, right: Ints, depth: int
    ) -> None:
        super().__init__()
        self.depth = depth
        self._arrays = feature, threshold, left, right  # the buffers' own memory
        self.register_buffer("feature", torch.from_numpy(feature))
        self.register_buffer("threshold", torch.from_numpy(threshold))
        self.register_buffer("left", torch.from_numpy(left))
        self.register_buffer("right", torch.from_numpy(right))

    def forward(self, rows: Tensor) -> Tensor:
        """(n, p) float32 to the nodes at which the rows end, (n, trees) int64."""
        if torch.onnx.is_in_onnx_export():
            return self._symbolic(rows)
        trees, nodes = self.feature.shape
        base = torch.arange(trees, device=rows.device) * nodes
        node = base.expand(rows.shape[0], -1)
        feature, threshold = self.feature.flatten(), self.threshold.flatten()
        left, right = self.left.flatten(), self.right.flatten()
        for _ in range(self.depth):
            below = rows.gather(1, feature[node]) <= threshold[node]
            node = base + torch.where(below, left[node], right[node])
        return node - base

    def _symbolic(self, rows: Tensor) -> Tensor:
        """ONNX's own operator for trees: a hundred times as fast as the steps above."""
        found: Tensor = torch.onnx.ops.symbolic(
            "ai.onnx.ml::TreeEnsembleRegressor",
            [rows],
            _attributes(*self._arrays),
            dtype=torch.float32,
            shape=[rows.shape[0], len(self._arrays[0])],
            version=3,
        )
        return found.long()


def _attributes(feature: Ints, threshold: Floats, left: Ints, right: Ints) -> dict[str, Any]:
    """Of an ensemble of which each tree has an output of its own: the number of the leaf."""
    tree: Ints
    node: Ints
    tree, node = np.indices(feature.shape)
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
