"""Two rows become one: for tables and images alike."""

from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor

from bigmodel.data.augment.augment import Step
from bigmodel.data.augment.draws import Draws
from bigmodel.data.batch import Batch
from bigmodel.errors import UserError

__all__ = ["Mixup"]


class Mixup(Step):
    """Mixup (Zhang et al. 2018, arXiv 1710.09412): rows and targets are interpolated.

    With `probability` a row becomes b x + (1 - b) x' of another row of its batch, b of
    Beta(`alpha`, `alpha`); a category is taken whole, from x with chance b. A row that another
    step has mixed already stays as it is.
    """

    def __init__(
        self,
        *,
        alpha: Annotated[float, Gt(0)] = 0.2,
        probability: Annotated[float, Gt(0), Le(1)] = 1.0,
    ) -> None:
        self.alpha, self.probability = alpha, probability

    def bind(self, table: Batch, rows: Tensor) -> None:
        """Texts cannot be interpolated."""
        if "tokens" in table.inputs:
            raise UserError("augment: mixup has no meaning for texts; take that step out")

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Mix rows of the batch."""
        partner, chosen = partners(batch, draws), draws.chance(self.probability)
        share = torch.where(chosen, beta(self.alpha, draws), 1.0)
        own = draws.uniform("category", batch.inputs["categorical"].shape[1]) < share[:, None]
        inputs = {
            name: torch.where(own, x, x[partner])
            if name == "categorical"
            else _interpolated(x, x[partner], share)
            for name, x in batch.inputs.items()
        }
        return mixed(batch._replace(inputs=inputs), partner, share)


def partners(batch: Batch, draws: Draws) -> Tensor:
    """Another row for each row, (n,) positions; a mixed row has only itself, and nobody has it."""
    free = torch.arange(len(batch.target))
    if batch.share is not None:
        free = (batch.share == 1.0).nonzero()[:, 0]
    partner = torch.arange(len(batch.target))
    partner[free] = free[draws.uniform("partner")[free, 0].argsort()]
    return partner


def beta(alpha: float, draws: Draws) -> Tensor:
    """(n,) of Beta(alpha, alpha)."""
    from scipy.special import betaincinv

    quantile = draws.uniform("share")[:, 0].double().numpy()
    return torch.from_numpy(betaincinv(alpha, alpha, quantile)).float()


def mixed(batch: Batch, partner: Tensor, share: Tensor) -> Batch:
    """The batch whose inputs are `share` (n,) of their row's, with what that makes of the targets.

    Each of the two targets brings its row's weight.
    """
    other = batch.target[partner]
    if batch.other is not None and batch.share is not None:
        before = batch.share < 1.0
        other = torch.where(before, batch.other, other)
        share = torch.where(before, batch.share, share)
    if batch.weight is None:
        return batch._replace(other=other, share=share)
    first, second = share * batch.weight, (1.0 - share) * batch.weight[partner]
    total = first + second
    share = torch.where(total > 0, first / total, share)
    return batch._replace(other=other, share=share, weight=total)


def _interpolated(one: Tensor, two: Tensor, share: Tensor) -> Tensor:
    share = share.view(-1, *[1] * (one.dim() - 1))
    mean = two.float() + share * (one.float() - two.float())
    return mean if one.is_floating_point() else mean.round().to(one.dtype)
