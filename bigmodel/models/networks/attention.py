"""Self-attention that the transformers share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.errors import UserError


class Attention(nn.Module):
    """`heads` heads over tokens of `width` numbers (Vaswani et al. 2017, arXiv 1706.03762).

    `width` has to be a multiple of `heads`: else UserError, which names the `setting` of the width.
    `dropout` is that of the attention's weights.
    """

    def __init__(self, width: int, heads: int, setting: str, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise UserError(
                f"model.network.{setting}={width}: must be a multiple of heads ({heads})"
            )
        self.heads, self.dropout = heads, dropout
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, hidden: Tensor | None = None) -> Tensor:
        """(n, length, width) to the same; `hidden` (n, 1, 1, length) is added to the scores."""
        split = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(
            query, key, value, hidden, dropout_p=self.dropout if self.training else 0.0
        )
        result: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return result

    @torch.no_grad()
    def keep(self, heads: Sequence[int]) -> None:
        """Take out all heads but these: fewer weights, the same width outside."""
        inside = self.out.in_features
        chosen = torch.arange(inside).view(self.heads, -1)[list(heads)].flatten()
        rows = torch.cat([chosen + part * inside for part in range(3)])
        self.query_key_value = _linear(
            self.query_key_value.weight[rows], self.query_key_value.bias[rows]
        )
        self.out = _linear(self.out.weight[:, chosen], self.out.bias)
        self.heads = len(heads)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight.copy_(weight)
    made.bias.copy_(bias)
    return made
