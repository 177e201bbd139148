"""What every step gets: its own random seed, a check of its loss, and a place in the count."""

import math
import time
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from bigmodel.errors import BigmodelError

SEED_STRIDE = 1000003  # a prime: seeds of neighbouring runs never meet


def total_steps(trainer: Trainer) -> int:
    """How many optimizer steps the whole fit may take.

    Not Lightning's `estimated_stepping_batches`: it makes the train loader before a checkpoint is
    restored, and a resumed run would then start the epoch over with other batches.
    """
    batches = len(trainer.datamodule.train_dataloader())  # type: ignore[attr-defined]
    limit = trainer.limit_train_batches
    batches = min(batches, limit) if isinstance(limit, int) else int(batches * (limit or 1.0))
    steps = math.ceil(max(1, batches) / trainer.accumulate_grad_batches) * (trainer.max_epochs or 1)
    return steps if trainer.max_steps < 0 else min(steps, trainer.max_steps)


class StepSeed(Callback):
    """Seeds torch from (seed, step, process) before each step.

    Dropout is then a function of the step: a resumed run needs no generator's state. Only the
    current device's generator is seeded; `torch.manual_seed` would cost a fifth of a small step.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed this step."""
        step = trainer.global_step * trainer.world_size + trainer.global_rank
        value = self.seed * SEED_STRIDE + step
        torch.default_generator.manual_seed(value)
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(value)


class FiniteLoss(Callback):
    """Stops before a loss that is not finite reaches the weights."""

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember the batch, to be able to say what was in it."""
        self._batch, self._index = batch, batch_idx

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Raise `BigmodelError` when the loss is NaN or infinite."""
        if torch.isfinite(loss):
            return
        numeric = self._batch.inputs["numeric"]
        largest = numeric.abs().amax(0).topk(min(3, numeric.shape[1]))
        names = trainer.datamodule.prepared.encoder.numeric_names  # type: ignore[attr-defined]
        columns = ", ".join(
            f"{names[i]} ({value:.3g})"
            for i, value in zip(largest.indices.tolist(), largest.values.tolist(), strict=True)
        )
        raise BigmodelError(
            f"the loss became {loss.item()} in epoch {trainer.current_epoch}, batch {self._index}; "
            f"largest encoded inputs there: {columns or 'none'}; "
            "lower optimizer.lr or trainer.gradient_clip_val "
            f"(the last good weights are in {trainer.default_root_dir}/checkpoints)"
        )


class Throughput(Callback):
    """Counts rows and seconds of training, without validation."""

    def __init__(self) -> None:
        self.rows = 0
        self.seconds = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, in the middle of an epoch when the run was resumed there."""
        self._start(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock again: the epoch's end was not training."""
        self._start(trainer)

    def _start(self, trainer: Trainer) -> None:
        self._started, self._steps = time.perf_counter(), trainer.global_step

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock: the epoch's training steps are done."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        batch = trainer.train_dataloader.batch_size  # type: ignore[union-attr]
        self.rows += (trainer.global_step - self._steps) * batch * trainer.accumulate_grad_batches
        self.seconds += time.perf_counter() - self._started
        self._start(trainer)

    def rows_per_second(self) -> float:
        """Training speed of this process's part of the run; 0 before the first epoch."""
        return self.rows / self.seconds if self.seconds else 0.0
