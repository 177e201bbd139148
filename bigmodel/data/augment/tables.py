"""Augmentation of a table's rows."""

from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor

from bigmodel.data.augment.augment import Step, rarity
from bigmodel.data.augment.draws import Draws
from bigmodel.data.augment.mixing import blended, partners
from bigmodel.data.batch import TABLE, Batch
from bigmodel.errors import UserError

__all__ = ["GaussianNoise", "SwapNoise", "TailRows"]


class GaussianNoise(Step):
    """Adds noise of standard deviation `sd` to the encoded numbers, whose own is about 1."""

    def __init__(
        self,
        *,
        sd: Annotated[float, Gt(0)] = 0.05,
        probability: Annotated[float, Gt(0), Le(1)] = 1.0,
    ) -> None:
        self.sd, self.probability = sd, probability

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Move the numbers."""
        numeric = batch.inputs["numeric"]
        noise = self.sd * draws.normal("noise", numeric.shape[1])
        moved = numeric + noise * draws.chance(self.probability)[:, None]
        return batch._replace(inputs={**batch.inputs, "numeric": moved})


class SwapNoise(Step):
    """Replaces each cell, with chance `share`, by that of another row of the batch."""

    def __init__(
        self,
        *,
        share: Annotated[float, Gt(0), Le(1)] = 0.1,
        probability: Annotated[float, Gt(0), Le(1)] = 1.0,
    ) -> None:
        self.share, self.probability = share, probability

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Swap cells in."""
        partner = partners(batch._replace(share=None), draws)
        chosen = draws.chance(self.probability)[:, None]
        inputs = dict(batch.inputs)
        for name in TABLE:
            values = inputs[name]
            swapped = (draws.uniform(name, values.shape[1]) < self.share) & chosen
            inputs[name] = torch.where(swapped, values[partner], values)
        return batch._replace(inputs=inputs)


class TailRows(Step):
    """New rows of rare classes: mixed of two rows of the same class (SMOTE without neighbours).

    Chawla et al. 2002, arXiv 1106.1813. A row of the rarest class is mixed with `probability`, one
    of the largest class never, by the logarithm of the class's size in between.
    """

    def __init__(self, *, probability: Annotated[float, Gt(0), Le(1)] = 0.5) -> None:
        self.probability = probability

    def bind(self, table: Batch, rows: Tensor) -> None:
        """Learn which training rows are of which class."""
        target = table.target[rows]
        if target.is_floating_point():
            raise UserError("augment: tail rows need classes, and the target is a number")
        self._inputs = table.inputs
        self._rows = rows[target.argsort(stable=True)]
        self._counts = torch.bincount(target)
        self._starts = self._counts.cumsum(0) - self._counts
        self._chance = self.probability * rarity(target)

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Mix rows of tail classes with others of their class."""
        chosen = draws.chance(self._chance[batch.target])
        place = (draws.uniform("partner")[:, 0].double() * self._counts[batch.target]).long()
        partner = self._rows[self._starts[batch.target] + place]
        share = torch.where(chosen, draws.uniform("share")[:, 0], 1.0)
        own = {name: batch.inputs[name] for name in TABLE}
        others = {name: self._inputs[name][partner] for name in TABLE}
        return batch._replace(inputs={**batch.inputs, **blended(own, others, share, draws)})
