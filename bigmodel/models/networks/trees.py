"""Decision trees as a layer: rows in, the leaf that each falls into out."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


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
        """One node of our own for the exporter to carry (see `bundle/trees.py`)."""
        found: Tensor = torch.onnx.ops.symbolic(
            "bigmodel::Leaves",
            [rows, self.feature, self.threshold, self.left, self.right],
            dtype=torch.int64,
            shape=[rows.shape[0], self.feature.shape[0]],
        )
        return found
