"""How much each weight matters: its size, what the loss would feel, or where training drives it."""

from typing import Any, Literal

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from bigmodel.compression.layers import weights
from bigmodel.compression.tune import tune
from bigmodel.compression.work import Work
from bigmodel.data.batch import Batch, ask

Score = Literal["magnitude", "taylor", "movement"]
_ROWS, _WIDE_ROWS, _BATCH = 2048, 512, 256
_MOVEMENT_EPOCHS, _MOVEMENT_LR = 1, 1e-3


def scores(network: nn.Module, work: Work, kind: Score, name: str) -> dict[str, Tensor]:
    """A number for each weight of each layer, by the layer's name; the higher, the more it matters.

    `movement` trains the network for an epoch.
    """
    if kind == "magnitude":
        return {n: layer.weight.detach() ** 2 for n, layer in weights(network).items()}  # type: ignore[operator]
    if kind == "taylor":
        return _taylor(network, work)
    moved = Movement()
    tune(network, work, name, epochs=_MOVEMENT_EPOCHS, lr=_MOVEMENT_LR, callbacks=[moved])
    return moved.total


def _taylor(network: nn.Module, work: Work) -> dict[str, Tensor]:
    """(w dL/dw)^2 on training rows: the change of the loss without the weight, to first order."""
    network.eval().requires_grad_(True).zero_grad()
    task, data = work.task, work.data
    wide = {"tokens", "image"} & work.rows.named().keys()
    rows = torch.from_numpy(work.positions(_WIDE_ROWS if wide else _ROWS))
    for chosen in torch.split(rows, _BATCH):
        batch: Batch = data.tensors().rows(chosen)
        output = ask(network, batch.inputs)
        torch.autograd.backward(task.losses(output, batch).sum() / len(rows))
    found = {}
    for name, layer in weights(network).items():
        weight = layer.weight
        assert isinstance(weight, Tensor)
        gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
        found[name] = (weight.detach() * gradient) ** 2
    network.zero_grad()
    return found


class Movement(Callback):
    """Sums -w dL/dw over the steps of a fit: high where training moves a weight away from zero."""

    def __init__(self) -> None:
        self.total: dict[str, Tensor] = {}

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        """Add this step."""
        network = pl_module.network
        assert isinstance(network, nn.Module)
        for name, layer in weights(network).items():
            weight = layer.weight
            assert isinstance(weight, Tensor)
            if weight.grad is not None:
                step = -weight.detach() * weight.grad
                self.total[name] = self.total.get(name, torch.zeros_like(step)) + step

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint: a resumed fit goes on summing."""
        return {"total": self.total}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.total = dict(state_dict["total"])
