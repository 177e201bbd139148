"""Augmentation of texts: a few tokens hidden, left out, or in another order."""

from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le
from torch import Tensor

from bigmodel.data.augment.augment import Step
from bigmodel.data.augment.draws import Draws
from bigmodel.data.batch import Batch
from bigmodel.data.text.encoding import PADDING, UNKNOWN
from bigmodel.errors import UserError

__all__ = ["TokenDropout", "TokenSwap"]


class TextStep(Step):
    """Changes the tokens of some texts.

    The first and the last stay as they are: a pretrained model's special tokens are there, and
    no text becomes empty.
    """

    def bind(self, table: Batch, rows: Tensor) -> None:
        """The table has to have texts."""
        if "tokens" not in table.inputs:
            raise UserError(
                "augment: there are no tokens to change; choose a model that reads texts, such as "
                "model=text_cnn, or take the step for texts out"
            )


class TokenDropout(TextStep):
    """Each token between a text's first and last vanishes with chance `share`.

    `to` says how: "unknown" leaves a token of its own, which stands for any; "removed" closes the
    gap.
    """

    def __init__(
        self,
        *,
        share: Annotated[float, Gt(0), Le(1)] = 0.1,
        to: Literal["unknown", "removed"] = "unknown",
        probability: Annotated[float, Gt(0), Le(1)] = 1.0,
    ) -> None:
        self.share, self.to, self.probability = share, to, probability

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Hide or remove tokens."""
        tokens = batch.inputs["tokens"]
        gone = (draws.uniform("token", tokens.shape[1]) < self.share) & inner(tokens)
        gone &= draws.chance(self.probability)[:, None]
        if self.to == "unknown":
            changed = tokens.masked_fill(gone, UNKNOWN)
        else:
            order = gone.to(torch.uint8).argsort(dim=1, stable=True)
            changed = tokens.masked_fill(gone, PADDING).gather(1, order)
        return batch._replace(inputs={**batch.inputs, "tokens": changed})


class TokenSwap(TextStep):
    """Each token between a text's first and last changes places with the next, by chance `share`.

    Pairs do not overlap: in some texts they start at even places, in others at odd ones.
    """

    def __init__(
        self,
        *,
        share: Annotated[float, Gt(0), Le(1)] = 0.1,
        probability: Annotated[float, Gt(0), Le(1)] = 1.0,
    ) -> None:
        self.share, self.probability = share, probability

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Swap neighbours."""
        tokens = batch.inputs["tokens"]
        length = tokens.shape[1]
        places = torch.arange(length).expand_as(tokens)
        odd = (draws.uniform("start")[:, 0] < 0.5).long()[:, None]
        movable = inner(tokens)
        movable[:, :-1] &= movable[:, 1:]  # the next one, too
        chosen = (draws.uniform("pair", length) < self.share) & movable & (places % 2 == odd)
        chosen &= draws.chance(self.probability)[:, None]
        behind = torch.zeros_like(chosen)
        behind[:, 1:] = chosen[:, :-1]
        changed = tokens.gather(1, places + chosen.long() - behind.long())
        return batch._replace(inputs={**batch.inputs, "tokens": changed})


def inner(tokens: Tensor) -> Tensor:
    """(n, length) bool: which tokens are neither the first nor the last of their text."""
    places = torch.arange(tokens.shape[1])
    return (places > 0) & (places + 1 < (tokens != PADDING).sum(1, keepdim=True))
