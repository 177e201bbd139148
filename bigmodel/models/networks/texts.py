"""What all text networks share: a text's vector beside the other columns of its row."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bigmodel.models.networks.inputs import TableInputs

TABLE_DIM = 8  # numbers per category
TOGETHER = 64  # texts: with fewer, the steps of Python would cost more than the padding


class TextNetwork(nn.Module, ABC):
    """A text becomes a vector of `width` numbers; a linear head gets it.

    Where the table has other columns, a layer of that width mixes text and columns first. Called
    with (n, n_numeric) float32, (n, n_categorical) int32 and (n, length) int32 tokens, where 0
    fills up short texts; gives (n, n_outputs) float32: logits, or a standardised value.
    """

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.table = TableInputs(n_numeric, tuple(cardinalities), TABLE_DIM)
        self.mix: nn.Module | None = None
        if self.table.width:
            mixed = nn.Linear(width + self.table.width, width)
            self.mix = nn.Sequential(mixed, nn.LayerNorm(width), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_outputs)

    @abstractmethod
    def vector(self, tokens: Tensor) -> Tensor:
        """(n, length) int32 to (n, width) float32, whatever the padding behind a text."""

    def features(self, numeric: Tensor, categorical: Tensor, tokens: Tensor) -> Tensor:
        """What the head gets: (n, width)."""
        vector = by_length(self.vector, tokens)
        if self.mix is not None:
            table = self.table(numeric, categorical)
            vector = self.mix(torch.cat([vector, table], dim=1))
        features: Tensor = self.dropout(vector)
        return features

    def forward(self, numeric: Tensor, categorical: Tensor, tokens: Tensor) -> Tensor:
        """Logits (n, n_outputs), or the standardised value (n, 1)."""
        output: Tensor = self.head(self.features(numeric, categorical, tokens))
        return output


def by_length(read: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
    """What `read` makes of each text, a few of like length at a time: less padding to compute.

    An exported graph gets its texts so already.
    """
    if torch.compiler.is_exporting() or not len(tokens):
        return read(tokens)
    lengths = (tokens != 0).sum(1)
    order = lengths.argsort(stable=True)
    parts = [order[start : start + TOGETHER] for start in range(0, len(order), TOGETHER)]
    longest = [max(1, int(lengths[part[-1]])) for part in parts]
    found = [read(tokens[part, :most]) for part, most in zip(parts, longest, strict=True)]
    return torch.cat(found)[order.argsort()]


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over the tokens of each text: (n, length, d) and (n, length) bool to (n, d)."""
    weight = mask.unsqueeze(2).to(values.dtype)
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1.0)
