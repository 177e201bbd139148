"""What a trial does inside the fit: it reports each validation, and waits at a rung."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from torch import nn

from bigmodel.data.tables import TableData
from bigmodel.errors import Paused
from bigmodel.models.task import Task
from bigmodel.search import costs, shared
from bigmodel.search.claims import Desk
from bigmodel.search.record import COSTS
from bigmodel.training.checkpoints import LAST
from bigmodel.weighting.plan import Plan


class Watch:
    """The `Trial` of `training/trial.py`: trial `number` of a study, which `desk` decides about.

    `measures` is what is measured besides the metrics. `steps` are its rungs in epochs (None:
    epochs are not reported), `percent` the share of the training rows that it gets. In the other
    processes of a run that has several, the desk's record is opened anew.
    """

    def __init__(
        self,
        desk: Desk,
        number: int,
        measures: list[str],
        steps: list[int] | None = None,
        percent: int = 100,
    ) -> None:
        self.desk, self.number, self.measures = desk, number, measures
        self.steps, self.percent = steps, percent

    def callbacks(self) -> list[Callback]:
        """One that reports, and stops."""
        return [] if self.steps is None else [Reports(self)]

    def prepare(self, data: TableData, cfg: DictConfig) -> None:
        """The table that the trials of this process share."""
        shared.prepare(data, cfg)
        if self.percent < 100:
            data.take(shared.some_rows(data.prepared, self.percent, cfg.seed))

    def measure(self, model: Task, data: TableData) -> dict[str, float]:
        """Latency and sizes, as far as they are objectives."""
        return {name: costs.MEASURES[name](model.network, data) for name in self.measures}

    def report(self, step: int, value: float, network: nn.Module, data: TableData) -> None:
        """Write down the metric at a step, and once what the network costs."""
        record = self.desk.record
        if self.measures and COSTS not in record.trial(self.number).user_attrs:
            found = [costs.MEASURES[name](network, data) for name in self.measures]
            record.note(self.number, {COSTS: found})
        record.report(self.number, step, value)


class Reports(Checkpoint):
    """Reports the monitored metric of each validation, and saves and stops a trial that must wait.

    It waits after the first batch of the next epoch: only there everything about the epochs before
    is in the state, and going on is exact (see `training/checkpoints.py`). A `Checkpoint`, so that
    it comes after all other callbacks of a step.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._waits = 0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report; at a rung, ask whether to go on."""
        whole = trainer.max_epochs or 1
        begins = cast(Plan, pl_module.plan).begins(whole)
        if trainer.sanity_checking or trainer.state.fn != "fit" or trainer.current_epoch < begins:
            return
        step, waits = trainer.current_epoch + 1, False
        value = trainer.callback_metrics.get(str(pl_module.monitor))
        if value is None:
            return
        if trainer.is_global_zero:
            data = cast(TableData, trainer.datamodule)  # type: ignore[attr-defined]
            network = cast(nn.Module, pl_module.network)
            self.watch.report(step, float(value), network, data)
            if step in (self.watch.steps or ()) and step < whole:
                waits = not self.watch.desk.may_go_on(self.watch.number, step)
        if trainer.strategy.broadcast(waits):
            self._waits = step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save, and wait."""
        if not self._waits:
            return
        if not trainer.is_last_batch:  # of an epoch of one batch, nothing can be saved
            trainer.save_checkpoint(Path(trainer.default_root_dir) / "checkpoints" / LAST)
        raise Paused(str(self._waits))
