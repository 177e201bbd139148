"""A second fit: a changed network learns again what it lost, taught by the one it came from."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from omegaconf import DictConfig, open_dict
from pytorch_lightning import Callback
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.compression.work import Work
from bigmodel.data.batch import Batch, ask
from bigmodel.models.task import Task
from bigmodel.training import run
from bigmodel.training.schedules import one_cycle

TEMPERATURE = 2.0
_CHECKPOINTS = {"checkpoints": {"_target_": "bigmodel.training.checkpoints.Checkpoints"}}


class Student(Task):
    """A task whose loss is half the labels', half a teacher's (Hinton et al. 2015, 1503.02531).

    L = (1 - w) CE + w T^2 KL(softmax(t / T) || softmax(s / T)), T = 2, w = `share`; for a
    regression, the squared distance from the teacher's value. The teacher sees what the student
    sees, augmented rows too.
    """

    def __init__(self, *, teacher: nn.Module, share: float, **task: object) -> None:
        super().__init__(**task)  # type: ignore[arg-type]
        self._teacher = (teacher.eval().requires_grad_(False),)  # no part of what is trained
        self.share = share
        self._inputs: Batch | None = None

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        """The loss of each row of the batch, (n,)."""
        with torch.no_grad():
            taught = ask(self._teacher[0].to(output.device), batch.inputs)
        imitating = self._imitating(output, taught)
        if self.share == 1:
            return imitating
        return torch.lerp(super().losses(output, batch), imitating, self.share)

    def _imitating(self, output: Tensor, taught: Tensor) -> Tensor:
        """How far (n, n_outputs), or each of an ensemble's (n, k, n_outputs), is from the teacher."""
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
    taught: bool = True,
    callbacks: Sequence[Callback] = (),
) -> nn.Module:
    """Fit `network` in place for some epochs on the run's own rows, weights and augmentation.

    The best epoch on validation is kept, as in any fit; so are the checkpoints, under `name`: a
    killed run goes on where it was. With `taught`, the fitted network is the teacher.
    """
    cfg = _settings(work, name, epochs)
    task = _task(network, work, lr, taught)
    (work.place / name).mkdir(parents=True, exist_ok=True)
    trainer = run.trainer_for(cfg, *callbacks)
    fitted: nn.Module = run.fit(trainer, task, work.data).network
    work.data.trainer = None
    return fitted.cpu().eval()


def _settings(work: Work, name: str, epochs: int) -> DictConfig:
    """The run's config for a fit of its own: its place, its length, no loggers."""
    cfg = work.cfg.copy()
    with open_dict(cfg):
        cfg.run_dir = str(work.place / name)
        cfg.logger = None
        cfg.callbacks = _CHECKPOINTS
        cfg.trainer.max_epochs = epochs
        cfg.trainer.resume = None
    return cfg


def _task(network: nn.Module, work: Work, lr: float, taught: bool) -> Task:
    """What the fit trains: the run's task with another network."""
    like = work.task
    optimizer: Callable[..., torch.optim.Optimizer] = partial(torch.optim.AdamW, lr=lr)
    given = {
        "network": lambda: network.train().requires_grad_(True),
        "spec": like.spec,
        "optimizer": optimizer,
        "scheduler": one_cycle,
        "monitor": like.monitor,
        "plan": replace(like.plan, head=None, stage=None, early=None, start=0.0),
    }
    if not taught:
        return Task(**given)  # type: ignore[arg-type]
    # after a second stage the teacher knows better than the labels' shares
    share = 1.0 if like.plan.stage is not None else 0.5
    return Student(teacher=like.network, share=share, **given)
