"""A second fit: a changed network learns again what it lost, taught by the one it came from."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig, open_dict
from pytorch_lightning import Callback
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.compression.work import Work
from bigmodel.data.batch import Batch, ask
from bigmodel.data.splits import TRAIN, VAL
from bigmodel.errors import Interrupted
from bigmodel.models.task import Task
from bigmodel.training import run
from bigmodel.training.schedules import one_cycle

TEMPERATURE = 2.0
_CHECKPOINTS = "bigmodel.training.checkpoints.Checkpoints"


class Student(Task):
    """A task whose loss is half the labels', half a teacher's (Hinton et al. 2015, 1503.02531).

    L = (1 - w) CE + w T^2 KL(softmax(t / T) || softmax(s / T)), T = 2, w = `share`; for a
    regression, the squared distance from the teacher's value. The teacher sees what the student
    sees, augmented rows too.
    """

    def __init__(self, *, teacher: nn.Module, share: float, **task: object) -> None:
        super().__init__(**task)  # type: ignore[arg-type]
        self._teacher = (teacher.eval(),)  # no part of what is trained
        self.share = share

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        """The loss of each row of the batch, (n,)."""
        with torch.no_grad():
            taught = ask(self._teacher[0].to(output.device), batch.inputs)
        imitating = self._imitating(output, taught)
        if self.share == 1:
            return imitating
        return torch.lerp(super().losses(output, batch), imitating, self.share)

    def _imitating(self, output: Tensor, taught: Tensor) -> Tensor:
        """How far (n, n_outputs), or an ensemble's (n, k, n_outputs), is from the teacher."""
        if output.dim() == 3:
            members = output.shape[1]
            each = self._imitating(output.flatten(0, 1), taught.repeat_interleave(members, 0))
            return each.view(-1, members).mean(1)
        if not self.classifies:
            return (output[:, 0] - taught[:, 0]) ** 2
        said, wanted = ((x / TEMPERATURE).log_softmax(1) for x in (output, taught))
        return TEMPERATURE**2 * F.kl_div(said, wanted, reduction="none", log_target=True).sum(1)


def tune(
    network: nn.Module,
    work: Work,
    name: str,
    *,
    epochs: int,
    lr: float,
    callbacks: Sequence[Callback] = (),
    start: float = 0.0,
) -> nn.Module:
    """Fit `network` in place for some epochs on the run's own rows, weights and augmentation.

    The best epoch on validation is kept, of those after the share `start`; so are the
    checkpoints, under `name`: a killed run goes on where it was. The fitted network is the teacher.
    """
    cfg = _settings(work, name)
    with open_dict(cfg):
        # no early stopping: the learning rate ends at 0; no average: it would blur the rounding
        given = (node for node in cfg.callbacks.values() if node is not None)
        own = [node for node in given if node.get("_target_") == _CHECKPOINTS]
        cfg.callbacks = {"checkpoints": own[0] if own else {"_target_": _CHECKPOINTS}}
        cfg.trainer.max_epochs = epochs
    return _fitted(cfg, _student(network, work, lr, start), work, *callbacks)


def train_afresh(network: nn.Module, work: Work, name: str) -> nn.Module:
    """Fit `network` in place as the run's own was: its optimizer, schedule and epochs."""
    like = work.task
    task = Task(
        lambda: network.train().requires_grad_(True),
        spec=like.spec,
        optimizer=like.make_optimizer,
        scheduler=like.make_scheduler,
        monitor=like.monitor,
        plan=replace(like.plan, head=None, stage=None),
    )
    trained = _fitted(_settings(work, name), task, work)
    if like.plan.stage is not None:
        data = work.data
        like.plan.stage(trained, data.in_order(TRAIN), data.in_order(VAL), data.settings.seed)
    return trained


def _fitted(cfg: DictConfig, task: Task, work: Work, *callbacks: Callback) -> nn.Module:
    """The fit in its own directory; a stopped one names the run to go on with."""
    Path(cfg.run_dir).mkdir(parents=True, exist_ok=True)
    try:
        fitted = run.fit(run.trainer_for(cfg, *callbacks), task, work.data)
    except Interrupted as error:
        raise Interrupted(
            f"stopped and saved; go on with: bigmodel train trainer.resume={work.cfg.run_dir}"
        ) from error
    work.data.trainer = None
    return fitted.network.cpu().eval()


def _settings(work: Work, name: str) -> DictConfig:
    """The run's config for a fit in a place of its own, without loggers."""
    cfg = work.cfg.copy()
    with open_dict(cfg):
        cfg.run_dir = str(work.place / name)
        cfg.logger = None
        cfg.trainer.resume = None
    return cfg


def _student(network: nn.Module, work: Work, lr: float, start: float) -> Student:
    """What the fit trains: the run's task with another network, and the run's as its teacher."""
    like = work.task
    return Student(
        # after a second stage the teacher knows better than the labels' shares
        teacher=like.network,
        share=1.0 if like.plan.stage is not None else 0.5,
        network=lambda: network.train().requires_grad_(True),
        spec=like.spec,
        optimizer=partial(torch.optim.AdamW, lr=lr),
        scheduler=one_cycle,
        monitor=like.monitor,
        plan=replace(like.plan, head=None, stage=None, early=None, start=start),
    )
