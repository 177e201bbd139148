"""Convolutions over the tokens of a text (Kim 2014, arXiv 1408.5882)."""

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.models.networks.texts import TextNetwork

__all__ = ["TextCNN"]


class TextCNN(TextNetwork):
    """Embedded tokens, convolutions with several windows, and the largest of each over the text.

    `windows` are the numbers of tokens that a convolution sees, `channels` the outputs of each.
    """

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        vocabulary: int,
        *,
        dim: Annotated[int, Gt(0)] = 128,
        windows: Sequence[Annotated[int, Gt(0)]] = (1, 2, 3, 5),
        channels: Annotated[int, Gt(0)] = 128,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.5,
        token_dropout: Annotated[float, Ge(0), Lt(1)] = 0.2,
    ) -> None:
        width = channels * len(windows)
        super().__init__(n_numeric, cardinalities, n_outputs, width, dropout)
        self.embedding = nn.Embedding(vocabulary, dim, padding_idx=0)
        self.windows = tuple(windows)
        self.token_dropout = nn.Dropout(token_dropout)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, channels, window) for window in windows)

    def vector(self, tokens: Tensor) -> Tensor:
        """(n, length) int32 to (n, channels * len(windows))."""
        embedded = self.token_dropout(self.embedding(tokens)).transpose(1, 2)
        padding = (tokens == 0).unsqueeze(1)
        padding = padding & (tokens != 0).any(1)[:, None, None]  # a maximum needs one token
        found = [
            convolution(F.pad(embedded, ((window - 1) // 2, window // 2)))
            .masked_fill(padding, -torch.inf)
            .amax(2)
            for window, convolution in zip(self.windows, self.convolutions, strict=True)
        ]
        return torch.cat(found, dim=1).relu()
