"""Categories in an order, so that a tree can split them by one threshold."""

import numpy as np
import torch
from torch import Tensor, nn

from bigmodel.models.build import Part


class Ranks(nn.Module):
    """The rank of each category's code: codes with similar targets are neighbours.

    Codes are ranked by the mean target of their training rows; with several classes by the first
    principal component of their class shares (Coppersmith, Hong and Hosking 1999). Shares are
    smoothed towards those of all rows.
    """

    offsets: Tensor
    rank: Tensor

    def __init__(self, train: Part, cardinalities: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        starts = torch.tensor((0, *cardinalities)).cumsum(0)
        self.register_buffer("offsets", starts[:-1].to(torch.int32), persistent=False)
        self.register_buffer("rank", torch.zeros(int(starts[-1])))
        target = train.target
        told = np.eye(n_outputs)[target] if n_outputs > 1 else target[:, None].astype(np.float64)
        for column, codes in enumerate(cardinalities):
            score = _scores(train.inputs.categorical[:, column], codes, told)
            place = starts[column] + torch.from_numpy(score.argsort(kind="stable"))
            self.rank[place] = torch.arange(codes, dtype=torch.float32)

    def forward(self, categorical: Tensor) -> Tensor:
        """Codes (n, q) int32 to ranks (n, q) float32."""
        return self.rank[(categorical + self.offsets).long()]


def _scores(code: np.ndarray, codes: int, told: np.ndarray) -> np.ndarray:
    """Where each code stands on the axis on which they differ most, (codes,)."""
    mean = told.mean(axis=0)
    counts = np.bincount(code, minlength=codes)
    sums = np.stack([np.bincount(code, t, minlength=codes) for t in told.T], axis=1)
    shares = (sums + mean) / (counts[:, None] + 1.0) - mean
    axis = np.linalg.svd(shares * np.sqrt(counts)[:, None], full_matrices=False)[2][0]
    scores: np.ndarray = shares @ (axis * np.sign(axis[np.abs(axis).argmax()]))
    return scores
