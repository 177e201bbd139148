"""Early stopping on the monitored metric, whichever that is for the task at hand."""

from typing import Annotated, cast

import torch
from annotated_types import Ge, Gt
from pytorch_lightning import LightningModule, Trainer, callbacks

from bigmodel.training.monitor import mode
from bigmodel.weighting.plan import Plan

__all__ = ["EarlyStopping"]


class EarlyStopping(callbacks.EarlyStopping):
    """Stops after `patience` epochs in which the metric did not improve by `min_delta`.

    Watches the run's monitored metric unless `monitor` names another.
    """

    def __init__(
        self,
        patience: Annotated[int, Gt(0)] = 16,
        min_delta: Annotated[float, Ge(0)] = 0.0,
        monitor: str | None = None,
    ) -> None:
        # a metric that is not finite is an error, and Checkpoints raises it: no reason to stop well
        super().__init__(monitor or "", min_delta=min_delta, patience=patience, check_finite=False)
        self._distance = min_delta

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the metric, but not before deferred weights have taken over."""
        if not _waits(trainer, pl_module):
            super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """As `on_train_epoch_end`."""
        if not _waits(trainer, pl_module):
            super().on_validation_end(trainer, pl_module)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learn from the task which metric counts, and in which direction."""
        super().setup(trainer, pl_module, stage)
        self.monitor = self.monitor or str(pl_module.monitor)
        self.mode = mode(self.monitor)
        worst = torch.inf if self.mode == "min" else -torch.inf
        self.best_score = torch.tensor(worst)
        self.min_delta = -self._distance if self.mode == "min" else self._distance


def _waits(trainer: Trainer, pl_module: LightningModule) -> bool:
    """Whether the plan of the task still has something in store."""
    begins = cast(Plan, pl_module.plan).begins(trainer.max_epochs or 1)
    return trainer.current_epoch < begins
