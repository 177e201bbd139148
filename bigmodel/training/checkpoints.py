"""Checkpoints that survive kills and from which a run continues bit for bit.

`last.ckpt` is written in the middle of an epoch: there, everything about the epochs before
(validation, schedules, early stopping, averages) is finished and in the state, and Lightning's
loops go on without skipping or repeating anything. A save on the last batch or at the epoch's
end would lose the epoch-end work on resume.
"""

import math
import signal
import time
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from annotated_types import Ge
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from bigmodel import files
from bigmodel.errors import BigmodelError, Interrupted, UserError
from bigmodel.training.monitor import mode
from bigmodel.weighting.plan import Plan

__all__ = ["Checkpoints"]

LAST, BEST = "last.ckpt", "best.ckpt"
ASK_EVERY = 50  # batches; several processes agree on a save by talking, which costs time


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes aside, syncs and renames; reads tensors and plain values only, never a pickle."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Stream `checkpoint` to `path`, which holds the old or the new one, never half of it."""
        with files.atomic(path) as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # the zip's end fails after what the disk refused
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise

    def load_checkpoint(
        self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint with `weights_only=True`, whatever the caller or environment says."""
        content: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
        return content


class Checkpoints(Checkpoint):
    """Keeps `checkpoints/last.ckpt` to resume from and `checkpoints/best.ckpt`, the best weights.

    `every_seconds` bounds the work that a kill can cost. Ctrl-C saves at the end of the running
    step, then stops; a second one stops at once.

    As a `Checkpoint` it is called after all other callbacks, wherever the config lists it: what
    they make of a step (an average of the weights) has to be in the save of that step.
    """

    def __init__(self, every_seconds: Annotated[float, Ge(0)] = 30.0) -> None:
        self.every_seconds = every_seconds
        self.best: float | None = None
        self.best_epoch = -1
        self.finished = False  # the fit ended by itself: a resumed run goes straight to testing
        self._saved_at = 0.0
        self._interrupted = False
        self._previous_handler: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make the directory and remove what a killed writer left there."""
        self.directory = Path(trainer.default_root_dir) / "checkpoints"
        if trainer.is_global_zero:
            self.directory.mkdir(parents=True, exist_ok=True)
            files.clean_leftovers(self.directory)
            files.clean_leftovers(self.directory.parent)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen for Ctrl-C."""
        self._saved_at = time.monotonic()
        try:
            self._previous_handler = signal.signal(signal.SIGINT, self._on_interrupt)
        except ValueError:  # not the main thread: there, Ctrl-C is somebody else's to handle
            self._previous_handler = None

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give Ctrl-C back."""
        if self._previous_handler is not None:
            signal.signal(signal.SIGINT, self._previous_handler)
            self._previous_handler = None

    def _on_interrupt(self, number: int, frame: Any) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save `last.ckpt` when it is time to; stop when Ctrl-C was pressed."""
        if trainer.is_last_batch or (trainer.world_size > 1 and batch_idx % ASK_EVERY):
            return
        due = time.monotonic() - self._saved_at >= self.every_seconds
        if trainer.strategy.reduce_boolean_decision(due or self._interrupted, all=False):
            trainer.save_checkpoint(self.directory / LAST)
            self._saved_at = time.monotonic()
        if self._interrupted:
            run = trainer.default_root_dir
            raise Interrupted(f"stopped and saved; go on with: bigmodel train trainer.resume={run}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end of the fit, so that a run killed while testing need not train again."""
        self.finished = True
        trainer.save_checkpoint(self.directory / LAST)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save `best.ckpt`, weights only, when the monitored metric is better than ever."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if trainer.current_epoch < cast(Plan, pl_module.plan).begins(trainer.max_epochs or 1):
            return  # the weights that count are still to take over
        monitor = str(pl_module.monitor)
        value = float(trainer.callback_metrics.get(monitor, float("nan")))
        if not math.isfinite(value):
            raise BigmodelError(
                f"{monitor} is {value} after epoch {trainer.current_epoch}; lower optimizer.lr, or "
                f"monitor another metric (the last good weights are in {self.directory})"
            )
        if self.best is None or (
            value < self.best if mode(monitor) == "min" else value > self.best
        ):
            self.best, self.best_epoch = value, trainer.current_epoch
            trainer.save_checkpoint(self.directory / BEST, weights_only=True)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Say what the disk refused: the loggers, closed next, would fail on it once more."""
        if isinstance(exception, files.WriteError):
            raise exception
        if files.is_refusal(exception):  # a logger's file, which Lightning writes
            with files.told(trainer.default_root_dir):
                raise exception

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs."""
        return {"best": self.best, "best_epoch": self.best_epoch, "finished": self.finished}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]


def load(path: Path) -> dict[str, Any]:
    """A checkpoint's content on the CPU; a damaged one is a `BigmodelError` that names it."""
    try:
        return AtomicCheckpointIO().load_checkpoint(path)
    except Exception as error:
        raise BigmodelError(f"{path}: not a checkpoint of bigmodel, or damaged: {error}") from error


def is_finished(path: Path, model: LightningModule) -> bool:
    """Whether the checkpoint, one of `model`, stands at the end of a whole fit.

    Raises UserError when it is one of a network of another shape.
    """
    content = load(path)
    mine = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    theirs = {name: tuple(value.shape) for name, value in content["state_dict"].items()}
    if mine != theirs:
        raise UserError(
            f"{path}: the run there is one of another model or other data; give this one its own "
            "hydra.run.dir, or remove that directory"
        )
    state = content.get("callbacks", {}).get(Checkpoints.__qualname__, {})
    return bool(state.get("finished"))
