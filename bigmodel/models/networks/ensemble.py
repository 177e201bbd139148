"""Several networks that answer as one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bigmodel.data.schema import Task

INPUTS = ("numeric", "categorical")


class Ensemble(nn.Module):
    """The weighted mean of fitted table networks: of their probabilities, or of their values.

    `weights` (m,) add up to 1; each network's logits are divided by its `temperatures` (m,) first.
    Nothing in it is trained any more.
    """

    weights: Tensor
    temperatures: Tensor

    def __init__(
        self,
        networks: Sequence[nn.Module],
        weights: Sequence[float],
        temperatures: Sequence[float],
        task: Task,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks).eval().requires_grad_(False)
        self.classifies = task != "regression"
        self.register_buffer("weights", torch.tensor(weights))
        self.register_buffer("temperatures", torch.tensor(temperatures))

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """The logarithms of the mean probabilities (n, n_outputs), or the mean value (n, 1)."""
        outputs = torch.stack([network(numeric, categorical) for network in self.networks], 1)
        return mixed(outputs, self.weights, self.temperatures, self.classifies)


def mixed(outputs: Tensor, weights: Tensor, temperatures: Tensor, classifies: bool) -> Tensor:
    """One answer (n, n_outputs) of the `outputs` (n, m, n_outputs) of m networks."""
    if not classifies:
        return (outputs * weights[:, None]).sum(1)
    each = (outputs / temperatures[:, None]).log_softmax(2) + weights.log()[:, None]
    return torch.logsumexp(each, 1)
