"""FT-Transformer: each column is a token, and attention finds which ones belong together.

Gorishniy et al. 2021, Revisiting Deep Learning Models for Tabular Data (arXiv 2106.11959).
"""

from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.errors import UserError
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
        if width % heads:
            raise UserError(f"model.network.width={width}: must be a multiple of heads ({heads})")
        columns, bound = n_numeric + len(cardinalities), width**-0.5
        self.numbers = nn.Parameter(torch.empty(n_numeric, width).uniform_(-bound, bound))
        self.categories = TableInputs(0, tuple(cardinalities), width)
        self.bias = nn.Parameter(torch.empty(columns, width).uniform_(-bound, bound))
        self.first = nn.Parameter(torch.empty(1, width).uniform_(-bound, bound))
        self.blocks = nn.ModuleList(
            Block(width, heads, attention_dropout, dropout, norm=index > 0)
            for index in range(blocks)
        )
        self.norm = nn.LayerNorm(width)
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
        return F.relu(self.norm(tokens[:, 0]))

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
        self.heads, self.attention_dropout = heads, attention_dropout
        self.first_norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.second_norm = nn.LayerNorm(width)
        hidden = width * 4 // 3  # gated: as many weights as twice the width without
        self.up, self.down = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, tokens, width) to the same."""
        tokens = tokens + self._attend(self.first_norm(tokens))
        value, gate = self.up(self.second_norm(tokens)).chunk(2, -1)
        result: Tensor = tokens + self.down(self.dropout(value * F.relu(gate)))
        return result

    def _attend(self, tokens: Tensor) -> Tensor:
        split = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(
            query, key, value, dropout_p=self.attention_dropout if self.training else 0.0
        )
        result: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return result
