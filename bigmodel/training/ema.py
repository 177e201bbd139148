"""An exponential moving average of the weights, used for validation and for the final model."""

from typing import Annotated, Any, cast

from annotated_types import Ge, Lt
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["EMA"]


class EMA(Callback):
    """Averages the network's weights after each step (Polyak and Juditsky 1992).

    The average is `decay * average + (1 - decay) * weights`; early on, when there is little to
    average, the decay is (1 + t) / (10 + t) at step t. Validation and `best.ckpt` see the average.
    Running statistics of batch norm are copied, not averaged.
    """

    def __init__(self, decay: Annotated[float, Ge(0), Lt(1)] = 0.999) -> None:
        self.decay = decay
        self.average: AveragedModel | None = None
        self._swapped = False

    def _blend(self, average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        steps = float(count)
        return average.lerp(current, 1 - min(self.decay, (1 + steps) / (10 + steps)))

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start the average at the first weights."""
        if self.average is None:
            self.average = AveragedModel(_network(pl_module), avg_fn=self._blend)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Follow the network to its device."""
        assert self.average is not None
        self.average.to(pl_module.device)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Train on the raw weights, also after a validation in the middle of an epoch."""
        self._use_average(pl_module, False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the step into the average."""
        assert self.average is not None
        self.average.update_parameters(_network(pl_module))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate the average; what is saved as best is the average, too."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._use_average(pl_module, True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the raw weights back, after everybody has seen the validation."""
        self._use_average(pl_module, False)

    def _use_average(self, pl_module: LightningModule, wanted: bool) -> None:
        if wanted == self._swapped:
            return
        assert self.average is not None
        ours, theirs = self.average.module, _network(pl_module)
        for mine, yours in zip(
            ours.state_dict().values(), theirs.state_dict().values(), strict=True
        ):
            kept = mine.clone()
            mine.copy_(yours)
            yours.copy_(kept)
        self._swapped = wanted

    def state_dict(self) -> dict[str, Any]:
        """The average, for exact resume."""
        return {} if self.average is None else dict(self.average.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved average."""
        assert self.average is not None
        self.average.load_state_dict(state_dict)


def _network(pl_module: LightningModule) -> nn.Module:
    return cast(nn.Module, pl_module.network)
