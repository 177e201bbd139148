"""A smaller network of another shape, taught by the large one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import nn

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.step import Step
from bigmodel.compression.tune import tune
from bigmodel.compression.work import Work
from bigmodel.models.task import Task

__all__ = ["Distill"]


@dataclass(frozen=True)
class Distill(Step):
    """`student` is a model of the group `model`; it learns from the labels and from the network.

    `epochs` is null for as many as the run itself may take.
    """

    trains: ClassVar[bool] = True

    student: Callable[..., Task]
    epochs: Annotated[int, Gt(0)] | None = None
    lr: Annotated[float, Gt(0)] = 2e-3

    def check(self, network: nn.Module | None, rows: int) -> None:
        """Any network can teach."""

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The student in place of the network."""
        like = work.task
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(work.data.settings.seed)
            task = self.student(
                spec=like.spec, optimizer=like.make_optimizer, monitor=like.monitor, plan=like.plan
            )
        epochs = self.epochs or int(work.cfg.trainer.max_epochs)
        return candidate.with_network(tune(task.network, work, name, epochs=epochs, lr=self.lr))
