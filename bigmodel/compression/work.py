"""What a run hands to compression: the fitted model, its rows, and where to work."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig

from bigmodel.bundle.engine import Engine
from bigmodel.bundle.postprocess import Postprocess
from bigmodel.compression.bound import Answers, Drop, drop
from bigmodel.data.encoder import Encoded
from bigmodel.data.splits import TRAIN, VAL
from bigmodel.data.tables import TableData
from bigmodel.models.task import Task
from bigmodel.training.measure import calibrate, decided

_ROWS = 512  # training rows to find ranges with: more moved nothing


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
        return self.data.prepared.inputs.rows(self.positions(count))

    def positions(self, count: int) -> NDArray[np.int64]:
        """The places of at most so many training rows in the table, drawn by the run's seed."""
        rows = self.data.prepared.rows(TRAIN)
        rng = np.random.default_rng(self.data.settings.seed)
        chosen: NDArray[np.int64] = np.sort(rng.permutation(rows)[:count])
        return chosen

    def output(self, onnx: bytes, part: int = VAL) -> NDArray[np.float32]:
        """What the engine that serves makes of a split, (n, n_outputs)."""
        rows = self.data.prepared.rows(part)
        return Engine(onnx, "the compressed network").run(self.data.prepared.inputs.rows(rows))

    def answers(self, onnx: bytes) -> Answers:
        """What this file would say about the validation rows, calibrated on them."""
        output = self.output(onnx)
        data, plan = self.data, self.task.plan
        post = Postprocess(data.prepared.schema.target)
        if not self.task.classifies:
            return Answers(output, np.zeros(len(output), np.int64))
        target = torch.from_numpy(data.prepared.target[data.prepared.rows(VAL)])
        post = calibrate(plan, data, torch.from_numpy(output), target)
        return Answers(post.calibrated(output), decided(plan, post, data, VAL, output))

    def drop(self, before: Answers, after: Answers, tries: int = 1) -> Drop:
        """How much of the monitored metric is lost on the validation rows."""
        target = self.data.prepared.target[self.data.prepared.rows(VAL)]
        return drop(self.monitor, self.data.spec, target, before, after, tries)
