"""A linear model of weighted n-grams: hard to beat on short texts, and trained in seconds."""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.models.build import Part
from bigmodel.models.networks.texts import TextNetwork

__all__ = ["BagOfNgrams"]

_GAIN = 4.0  # of the embeddings: they learn so many times as fast as other weights


class BagOfNgrams(TextNetwork):
    """TF-IDF times a matrix of rank `dim` (fastText: Joulin et al. 2016, arXiv 1607.01759).

    An n-gram counts once a text, weighted by the logarithm of how rare it is in training (as
    scikit-learn does); each text's words count as much as any other's, and as its letters.
    `token_dropout` leaves out n-grams: several say the same, and none should be relied upon
    alone.
    """

    idf: Tensor

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        vocabulary: int,
        words: int,
        train: Callable[[], Part],
        *,
        dim: Annotated[int, Gt(0)] = 256,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        token_dropout: Annotated[float, Ge(0), Lt(1)] = 0.5,
    ) -> None:
        super().__init__(n_numeric, cardinalities, n_outputs, dim, dropout)
        self.register_buffer("idf", _idf(train(), vocabulary))
        self.embedding = nn.Embedding(vocabulary, dim, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=dim**-0.5 / _GAIN)
        self.token_dropout = token_dropout
        self.words = words

    def vector(self, tokens: Tensor) -> Tensor:
        """(n, length) int32 to (n, dim)."""
        weight = F.embedding(tokens, self.idf[:, None]).squeeze(2)
        if self.training and self.token_dropout:
            weight = weight * (torch.rand_like(weight) >= self.token_dropout)
        of_words = tokens < self.words
        both = (_unit(weight * of_words), _unit(weight * ~of_words))
        weight = torch.where(of_words, *both) * (_GAIN / 2**0.5)
        if torch.compiler.is_exporting():  # ONNX has no such sum: gathered, then multiplied
            return torch.bmm(weight.unsqueeze(1), self.embedding(tokens)).squeeze(1)
        summed: Tensor = F.embedding_bag(
            tokens, self.embedding.weight, mode="sum", per_sample_weights=weight
        )
        return summed


def _unit(weight: Tensor) -> Tensor:
    """Each row with length 1, (n, length)."""
    return weight / weight.square().sum(1, keepdim=True).sqrt().clamp(min=1e-6)


def _idf(train: Part, vocabulary: int) -> Tensor:
    """How rare each token is in training texts, (vocabulary,) float32; 0 for padding."""
    tokens = train.inputs.tokens
    assert tokens is not None
    counts = np.bincount(tokens.ravel(), minlength=vocabulary)
    idf = np.log((1.0 + len(tokens)) / (1.0 + counts)) + 1.0
    idf[0] = 0.0
    return torch.from_numpy(idf).float()
