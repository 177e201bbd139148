"""Throw-away networks that say which labels they doubt: a plain loop, no Lightning."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bigmodel.data.batch import ask, together

STEPS = 20  # in an epoch, at least: small tables would see too few otherwise
MOMENTUM, DECAY = 0.9, 5e-4


@dataclass(frozen=True)
class Probe:
    """Trains networks of the run's own kind on rows of its encoded table.

    `network` makes one; `inputs` are those of all rows, `labels` (n,) their class codes.
    """

    network: Callable[[], nn.Module]
    inputs: Mapping[str, Tensor]
    labels: Tensor
    seed: int
    batch_size: int

    def train(
        self,
        rows: Tensor,
        *,
        epochs: int,
        lr: float,
        loss: Callable[[Tensor, Tensor], Tensor],
        watch: Callable[[Tensor, Tensor], None] | None = None,
        seed: int = 0,
    ) -> nn.Module:
        """A network fitted on `rows`, in eval mode; `loss` gives the loss of each row.

        SGD with Nesterov momentum, one cycle up to `lr`. `watch` sees the positions and the
        logits of each training step. The random numbers of the run are left as they were.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * 1009 + seed)
            network = self.network().train()
            size = max(2, min(self.batch_size, len(rows) // STEPS))
            steps = max(1, len(rows) // size)
            optimizer = torch.optim.SGD(
                network.parameters(), lr, MOMENTUM, weight_decay=DECAY, nesterov=True
            )
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * steps)
            for _ in range(epochs):
                order = rows[torch.randperm(len(rows))]
                for batch in order.tensor_split(steps):
                    logits = self._ask(network, batch)
                    if watch is not None:
                        watch(batch, logits.detach())
                    optimizer.zero_grad(set_to_none=True)
                    torch.autograd.backward(loss(logits, self.labels[batch]).mean())
                    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                    optimizer.step()
                    cycle.step()
        return network.eval()

    @torch.inference_mode()
    def probabilities(self, network: nn.Module, rows: Tensor) -> Tensor:
        """The network's class probabilities for these rows, (m, C)."""
        parts = rows.tensor_split(list(range(4096, len(rows), 4096)))
        return torch.cat([self._ask(network, part).softmax(1) for part in parts])

    def _ask(self, network: nn.Module, rows: Tensor) -> Tensor:
        """The network's logits for these rows, (m, C)."""
        return together(ask(network, {name: x[rows] for name, x in self.inputs.items()}))
