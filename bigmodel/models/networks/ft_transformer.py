"""FT-Transformer: each column is a token, and attention finds which ones belong together.

Gorishniy et al. 2021, Revisiting Deep Learning Models for Tabular Data (arXiv 2106.11959).
"""

from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from bigmodel.models.networks.attention import Attention
from bigmodel.models.networks.inputs import TableInputs

__all__ = ["FTTransformer"]


class FTTransformer(nn.Module):
    """`blocks` of attention (`heads`) and feed-forward layers over tokens of `width`.

    A number is a vector times its value, a category its own vector; a first token collects what
    the head reads.
    """

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        *,
        blocks: Annotated[int, Gt(0)] = 2,
        width: Annotated[int, Gt(0)] = 96,
        heads: Annotated[int, Gt(0)] = 8,
        attention_dropout: Annotated[float, Ge(0), Lt(1)] = 0.2,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
    ) -> None:
        super().__init__()
        columns, bound = n_numeric + len(cardinalities), width**-0.5
        self.numbers = nn.Parameter(torch.empty(n_numeric, width).uniform_(-bound, bound))
        self.categories = TableInputs(0, tuple(cardinalities), width)
        self.bias = nn.Parameter(torch.empty(columns, width).uniform_(-bound, bound))
        self.first = nn.Parameter(torch.empty(1, width).uniform_(-bound, bound))
        self.blocks = nn.ModuleList(
            Block(width, heads, attention_dropout, dropout, norm=index > 0)
            for index in range(blocks)
        )
        self.norm, self.last = nn.LayerNorm(width), nn.ReLU()
        self.head = nn.Linear(width, n_outputs)

    def features(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What the head gets: (n, width)."""
        tokens = numeric[:, :, None] * self.numbers
        if self.categories.embedding is not None:
            embedded = self.categories(numeric[:, :0], categorical)
            tokens = torch.cat([tokens, embedded.unflatten(1, (-1, tokens.shape[2]))], 1)
        first = self.first.expand(numeric.shape[0], -1, -1)
        tokens = torch.cat([first, tokens + self.bias], 1)
        for block in self.blocks:
            tokens = block(tokens)
        features: Tensor = self.last(self.norm(tokens[:, 0]))
        return features

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Logits (n, n_outputs), or the standardised value (n, 1)."""
        output: Tensor = self.head(self.features(numeric, categorical))
        return output


class Block(nn.Module):
    """Attention, then a gated feed-forward layer, each behind a norm and beside a shortcut.

    The first block has no `norm` before its attention: with it, training fails (section 3.3).
    """

    def __init__(
        self, width: int, heads: int, attention_dropout: float, dropout: float, *, norm: bool
    ) -> None:
        super().__init__()
        self.first_norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.attention = Attention(width, heads, "width", attention_dropout)
        self.second_norm = nn.LayerNorm(width)
        hidden = width * 4 // 3  # gated: as many weights as twice the width without
        self.up, self.down = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)
        self.gate, self.dropout = nn.ReLU(), nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, tokens, width) to the same."""
        tokens = tokens + self.attention(self.first_norm(tokens))
        value, gate = self.up(self.second_norm(tokens)).chunk(2, -1)
        result: Tensor = tokens + self.down(self.dropout(value * self.gate(gate)))
        return result
