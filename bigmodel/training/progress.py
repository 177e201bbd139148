"""The progress bar: redrawn at most twice a second, as drawing costs more than a small step."""

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

REDRAW = 0.5  # seconds on a terminal
SPEAK = 5.0  # seconds between lines where there is no terminal (a log file, CI)


class ProgressBar(Callback):
    """Epochs, the monitored metric and the time left, on standard error."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self._bar: Progress | None = None
        self._drawn = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar on the first process, if there is somebody to see it."""
        self._drawn = time.monotonic()
        if not (trainer.is_global_zero and self.console.is_terminal):
            return
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[metric]}"),
            TimeRemainingColumn(),
            console=self.console,
            auto_refresh=False,
            transient=True,
        )
        total = (trainer.max_epochs or 0) * int(trainer.num_training_batches)
        self._task = self._bar.add_task("fit", total=total or None, epoch="0", metric="")
        self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Redraw when it is time to."""
        if self._bar is None or time.monotonic() - self._drawn < REDRAW:
            return
        self._drawn = time.monotonic()
        done = trainer.current_epoch * int(trainer.num_training_batches) + batch_idx + 1
        self._bar.update(
            self._task, completed=done, epoch=trainer.current_epoch, metric=_metric(trainer)
        )
        self._bar.refresh()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say a line now and then where no bar can be drawn."""
        now = time.monotonic()
        if self._bar is None and trainer.is_global_zero and now - self._drawn >= SPEAK:
            self._drawn = now
            self.console.print(
                f"epoch {trainer.current_epoch}  {_metric(trainer)}", highlight=False
            )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _metric(trainer: Trainer) -> str:
    monitor = str(trainer.lightning_module.monitor)
    value = trainer.callback_metrics.get(monitor)
    return "" if value is None else f"{monitor} {float(value):.4g}"
