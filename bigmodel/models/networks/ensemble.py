"""Several networks that answer as one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bigmodel.data.schema import Task


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
        each = comparable(outputs / self.temperatures[:, None], self.classifies)
        return mixed(each, self.weights, self.classifies)


def comparable(outputs: Tensor, classifies: bool) -> Tensor:
    """The log probabilities of m networks' logits (n, m, n_outputs); values as they are."""
    return outputs.log_softmax(2) if classifies else outputs


def mixed(each: Tensor, weights: Tensor, classifies: bool) -> Tensor:
    """One answer (n, n_outputs) of m `comparable` ones (n, m, n_outputs), which weigh (m,)."""
    if not classifies:
        return (each * weights[:, None]).sum(1)
    return torch.logsumexp(each + weights.log()[:, None], 1)
