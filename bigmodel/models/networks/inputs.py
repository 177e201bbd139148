"""The first layer of every table network: numbers and categories become one vector a row."""

import torch
from torch import Tensor, nn


class TableInputs(nn.Module):
    """Concatenates the numeric columns with one learnt embedding per category.

    `numbers`, when given, turns the numbers (n, n_numeric) into (n, n_numeric, `dim`) first.
    All columns share one embedding matrix, each with its own range of rows: one gather instead
    of one per column. `width` is the length of the vector that comes out.

    Code 0 of a column means "unknown or rare"; its vector starts at zero, so that a category
    never met in training moves nothing.
    """

    offsets: Tensor

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        embedding_dim: int,
        numbers: nn.Module | None = None,
        dim: int = 1,
    ) -> None:
        super().__init__()
        starts = torch.tensor((0, *cardinalities)).cumsum(0)
        self.register_buffer("offsets", starts[:-1].to(torch.int32), persistent=False)
        self.numbers, self.dim = numbers, dim
        self.embedding = nn.Embedding(int(starts[-1]), embedding_dim) if cardinalities else None
        self.width = n_numeric * dim + len(cardinalities) * embedding_dim
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=embedding_dim**-0.5)
            with torch.no_grad():
                self.embedding.weight[starts[:-1]] = 0.0

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """(n, n_numeric) float and (n, n_categorical) int32 to (n, width) float."""
        if self.numbers is not None:
            numeric = self.numbers(numeric).flatten(1)
        if self.embedding is None:
            return numeric
        embedded = self.embedding(categorical + self.offsets).flatten(1)
        return torch.cat([numeric, embedded], dim=1) if numeric.shape[1] else embedded
