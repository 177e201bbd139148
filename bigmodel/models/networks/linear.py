"""Linear and logistic regression: the baseline that everything else has to beat."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.models.networks.inputs import TableInputs

__all__ = ["Linear"]


class Linear(nn.Module):
    """One weight per number and one per category, for each output.

    Called like every table network: (n, n_numeric) float32 and (n, n_categorical) int32 give
    (n, n_outputs) float32. Starts at zero: the problem is convex.
    """

    def __init__(self, n_numeric: int, cardinalities: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_outputs, n_numeric))
        self.bias = nn.Parameter(torch.zeros(n_outputs))
        # an embedding as wide as the output is a one-hot vector times a weight matrix
        self.categories = TableInputs(0, tuple(cardinalities), n_outputs)
        for parameter in self.categories.parameters():
            nn.init.zeros_(parameter)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Logits (n, n_outputs), or the standardised value (n, 1)."""
        output = self.bias.expand(numeric.shape[0], -1)
        if self.weight.shape[1]:
            output = output + F.linear(numeric, self.weight)
        if self.categories.embedding is not None:
            per_column = self.categories(numeric[:, :0], categorical)
            output = output + per_column.unflatten(1, (-1, self.bias.shape[0])).sum(1)
        return output
