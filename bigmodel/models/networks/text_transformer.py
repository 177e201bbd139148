"""A small transformer encoder, trained from scratch."""

from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.models.networks.attention import Attention
from bigmodel.models.networks.texts import TextNetwork, masked_mean

__all__ = ["TextTransformer"]


class TextTransformer(TextNetwork):
    """Pre-norm blocks (Xiong et al. 2020, arXiv 2002.04745) and the mean over the tokens.

    `dim` numbers a token, `depth` blocks of `heads` attention heads.
    """

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        vocabulary: int,
        length: int,
        *,
        dim: Annotated[int, Gt(0)] = 128,
        depth: Annotated[int, Gt(0)] = 2,
        heads: Annotated[int, Gt(0)] = 4,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.2,
    ) -> None:
        super().__init__(n_numeric, cardinalities, n_outputs, dim, dropout)
        self.embedding = nn.Embedding(vocabulary, dim, padding_idx=0)
        self.position = nn.Parameter(torch.zeros(max(length, 1), dim))
        nn.init.normal_(self.embedding.weight, std=dim**-0.5)
        nn.init.normal_(self.position, std=0.1 * dim**-0.5)
        with torch.no_grad():
            self.embedding.weight[0] = 0.0
        self.entry = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def vector(self, tokens: Tensor) -> Tensor:
        """(n, length) int32 to (n, dim)."""
        mask = tokens != 0
        values = self.entry(self.embedding(tokens) + self.position[: tokens.shape[1]])
        hidden = torch.zeros(mask.shape, dtype=values.dtype, device=values.device)
        hidden = hidden.masked_fill(~mask, torch.finfo(values.dtype).min)[:, None, None, :]
        for block in self.blocks:
            values = block(values, hidden)
        return masked_mean(self.norm(values), mask)


class Block(nn.Module):
    """Attention, then two layers on each token; each adds to what came in."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, "dim")
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, hidden: Tensor) -> Tensor:
        """(n, length, dim) to the same; `hidden` (n, 1, 1, length) is added to the scores."""
        values = values + self.dropout(self.attention(self.first(values), hidden))
        wide = F.gelu(self.wide(self.second(values)))
        result: Tensor = values + self.dropout(self.narrow(wide))
        return result
