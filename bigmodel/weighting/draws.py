"""A plan as the loader of batches asks for it: which rows an epoch draws, and what they weigh."""

from typing import Any

import torch
from torch import Tensor

from bigmodel.weighting.plan import Plan


class Draws:
    """Weights and order of the training rows, epoch by epoch of a fit of at most `epochs`.

    Its state are the weights: a resumed run goes on with those that it began with.
    """

    def __init__(self, plan: Plan, epochs: int) -> None:
        self.sampler, self.epochs = plan.sampler, epochs
        self.begins = plan.begins(epochs)
        self.late = None if plan.weight is None else torch.from_numpy(plan.weight).float()
        self.early = self.late if plan.early is None else torch.from_numpy(plan.early).float()

    def weight(self, epoch: int) -> Tensor | None:
        """The weights of all rows, (n,) float32, in this epoch; None when all weigh the same."""
        return self.late if epoch >= self.begins else self.early

    def order(self, epoch: int, generator: torch.Generator) -> Tensor | None:
        """Positions among the training rows, (m,) int64; None for each row once."""
        if self.sampler is None or epoch < self.begins:
            return None
        return self.sampler.order(epoch, self.epochs, generator)

    def state_dict(self) -> dict[str, Any]:
        """The weights, for exact resume."""
        return {} if self.late is None else {"late": self.late, "early": self.early}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with saved weights."""
        if state:
            self.late, self.early = state["late"], state["early"]
