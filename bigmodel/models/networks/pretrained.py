"""Pretrained text models of the `transformers` library, fine-tuned or as they are."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Lt
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bigmodel.data.text.pretrained import local
from bigmodel.data.text.tokenizer import OWN_FIRST
from bigmodel.errors import UserError
from bigmodel.models.build import Part
from bigmodel.models.networks.texts import TextNetwork, by_length, masked_mean

__all__ = ["PretrainedText", "Sentence"]


class PretrainedText(TextNetwork):
    """Any encoder that `AutoModel` opens, and the mean over a text's tokens.

    `source` is a local folder, the name of an installed package that carries a model, or an id
    at the Hugging Face hub. Weights are read from safetensors only, and no code that comes with
    a model runs. The model's own dropout stays as its configuration says.
    """

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        length: int,
        *,
        source: str,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
    ) -> None:
        model = _opened(source)
        width = int(model.config.hidden_size)
        super().__init__(n_numeric, cardinalities, n_outputs, width, dropout)
        most = getattr(model.config, "max_position_embeddings", None) or length
        if length > most:
            raise UserError(
                f"model.text.length: {source} reads {most} tokens at most, not {length}; "
                f"set model.text.length={most}"
            )
        self.model = model
        self.padding = getattr(model.config, "pad_token_id", None) or 0

    def vector(self, tokens: Tensor) -> Tensor:
        """(n, length) int32 to (n, hidden size)."""
        there = tokens != 0
        ids = torch.where(tokens >= OWN_FIRST, tokens - OWN_FIRST, self.padding).long()
        seen = (tokens >= OWN_FIRST) | (torch.arange(tokens.shape[1], device=tokens.device) == 0)
        found = self.model(input_ids=ids, attention_mask=seen.long()).last_hidden_state
        return masked_mean(found, there & seen)


class Sentence(PretrainedText):
    """A pretrained sentence encoder that stays as it is: its vectors are static features.

    The texts of `train` and `val` are read once, before the first step; others when they come.
    Vectors have length sqrt(hidden size).
    """

    known: Tensor
    vectors: Tensor

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        length: int,
        train: Callable[[], Part],
        val: Callable[[], Part],
        *,
        source: str,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
    ) -> None:
        super().__init__(
            n_numeric, cardinalities, n_outputs, length, source=source, dropout=dropout
        )
        self.model.requires_grad_(False)
        self.model.eval()
        parts = (train().inputs.tokens, val().inputs.tokens)
        known, vectors = self._read(
            np.concatenate([tokens for tokens in parts if tokens is not None])
        )
        self.register_buffer("known", known, persistent=False)
        self.register_buffer("vectors", vectors, persistent=False)

    def train(self, mode: bool = True) -> Sentence:
        """The encoder itself never trains: it drops nothing out."""
        super().train(mode)
        self.model.eval()
        return self

    def vector(self, tokens: Tensor) -> Tensor:
        """(n, length) int32 to (n, hidden size)."""
        if torch.compiler.is_exporting() or not len(self.known):
            return self._fresh(tokens)
        keys = _keys(tokens)
        places = torch.searchsorted(self.known, keys).clamp(max=len(self.known) - 1)
        found = self.vectors[places]
        new = (self.known[places] != keys).nonzero()[:, 0]
        if len(new):
            found[new] = self._fresh(tokens[new])
        return found

    def _fresh(self, tokens: Tensor) -> Tensor:
        vectors = F.normalize(super().vector(tokens), dim=1)
        scaled: Tensor = vectors * vectors.shape[1] ** 0.5
        return scaled

    @torch.no_grad()
    def _read(self, tokens: NDArray[np.int32]) -> tuple[Tensor, Tensor]:
        """The keys of all texts, in order, and their vectors: always in the same batches."""
        rows = torch.from_numpy(np.unique(tokens, axis=0))
        vectors = by_length(self._fresh, rows)
        keys = _keys(rows)
        order = keys.argsort(stable=True)
        return keys[order], vectors[order]


def _keys(tokens: Tensor) -> Tensor:
    """A number for each text, (n,) int64, the same whatever the padding behind it."""
    factors = torch.arange(1, tokens.shape[1] + 1, device=tokens.device) * 0x9E3779B97F4A7C1
    mixed = (tokens.long() + factors) * tokens.long() * 0x5851F42D4C957F2D
    mixed = mixed ^ (mixed >> 29)
    return (mixed * (factors | 1)).sum(1)


def _opened(source: str) -> Any:
    if importlib.util.find_spec("transformers") is None:
        raise UserError(
            'pretrained models need the library transformers; pip install "bigmodel[hf]"'
        )
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    folder = local(source)
    given: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True}
    try:
        model = transformers.AutoModel.from_pretrained(
            str(folder or source), local_files_only=folder is not None, dtype=torch.float32, **given
        )
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"model.network.source={source}: cannot be opened "
            f"({str(error).strip().splitlines()[0][:150]}); name a folder, an installed package "
            "or a model of the hub with safetensors weights"
        ) from error
    if getattr(model.config, "is_encoder_decoder", False):
        raise UserError(
            f"model.network.source={source}: {type(model).__name__} has a decoder; "
            "name an encoder, such as a BERT"
        )
    return model.train()  # it comes in evaluation mode
