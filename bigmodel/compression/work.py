"""What a run hands to compression: the fitted model, its rows, and where to work."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig

from bigmodel.bundle.engine import Engine
from bigmodel.compression.bound import Drop, drop
from bigmodel.compression.resample import Answers
from bigmodel.data.encoder import Encoded
from bigmodel.data.splits import TRAIN, VAL
from bigmodel.data.tables import TableData
from bigmodel.models.task import Task
from bigmodel.training.measure import calibrate, decided

_ROWS = 512  # training rows to find ranges with: more moved nothing
_SEEN_ROWS = 8192


@dataclass(frozen=True)
class Work:
    """One run's compression: its config, the fitted `task` and its `data`.

    `monitor` is the metric that decides, without its split.
    """

    cfg: DictConfig
    task: Task
    data: TableData
    monitor: str

    @property
    def place(self) -> Path:
        """Where steps that train keep their checkpoints."""
        return Path(self.cfg.run_dir) / "compression"

    @cached_property
    def rows(self) -> Encoded:
        """Encoded training rows to calibrate with, drawn by the run's seed."""
        return self.sample(_ROWS)

    def sample(self, count: int) -> Encoded:
        """At most so many encoded training rows."""
        return sample(self.data, count)

    def positions(self, count: int) -> NDArray[np.int64]:
        """The places of at most so many training rows in the table, drawn by the run's seed."""
        return positions(self.data, count)

    @cached_property
    def val(self) -> NDArray[np.int64]:
        """The places of the validation rows in the table."""
        return self.data.prepared.rows(VAL)

    @cached_property
    def seen(self) -> NDArray[np.int64]:
        """The places of training rows to judge by what is judged again on validation."""
        return self.positions(_SEEN_ROWS)

    def answers(self, onnx: bytes, places: NDArray[np.int64]) -> Answers:
        """What this file would say about these rows, calibrated on them, run as it is served."""
        data, plan = self.data, self.task.plan
        output = Engine(onnx, "the compressed network").run(data.prepared.inputs.rows(places))
        if not self.task.classifies:
            return Answers(output, np.zeros(len(output), np.int64))
        target = torch.from_numpy(data.prepared.target[places])
        post = calibrate(plan, data, torch.from_numpy(output), target)
        return Answers(post.calibrated(output), decided(plan, post, data, places, output))

    def drop(
        self, before: Answers, after: Answers, places: NDArray[np.int64], tries: int = 1
    ) -> Drop:
        """How much of the monitored metric is lost on these rows."""
        target = self.data.prepared.target[places]
        groups = self.data.prepared.group[places] if len(self.data.prepared.group) else None
        return drop(self.monitor, self.data.spec, target, before, after, tries, groups)


def sample(data: TableData, count: int) -> Encoded:
    """At most so many encoded training rows."""
    return data.prepared.inputs.rows(positions(data, count))


def positions(data: TableData, count: int) -> NDArray[np.int64]:
    """The places of at most so many training rows in the table, drawn by the run's seed."""
    rng = np.random.default_rng(data.settings.seed)
    chosen: NDArray[np.int64] = np.sort(rng.permutation(data.prepared.rows(TRAIN))[:count])
    return chosen
