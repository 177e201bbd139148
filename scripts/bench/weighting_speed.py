"""Part 5: rows per second with weights, or with drawn rows, against neither."""

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch

from bigmodel.data.batch import Batch
from bigmodel.data.loader import TensorLoader
from bigmodel.data.spec import ModelSpec
from bigmodel.models.networks.mlp import MLP
from bigmodel.models.task import Task
from bigmodel.training.checkpoints import Checkpoints
from bigmodel.training.trainer import Trainer
from bigmodel.weighting.class_weights import Inverse
from bigmodel.weighting.draws import Draws
from bigmodel.weighting.logits import LogitAdjust
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.rows import Rows
from bigmodel.weighting.sampling import Sampler

SPEC = ModelSpec(
    n_numeric=40, cardinalities=(10, 100), task="binary", n_outputs=2, classes=("no", "yes"),
    train_rows=0, scale=1.0,
)  # fmt: skip
BATCH, EPOCHS = 256, 3


def rows_per_second(plan: Plan, tensors: Batch) -> float:
    task = Task(
        MLP, spec=SPEC, plan=plan, monitor="val/macro_f1",
        optimizer=partial(torch.optim.AdamW, fused=True),
    )  # fmt: skip
    loader = TensorLoader(
        tensors, BATCH, shuffle=True, drop_last=True, draws=Draws(plan, EPOCHS)
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            run_dir=Path(folder), seed=0, callbacks=[Checkpoints()], logger=False,
            accelerator="cpu", devices=1, max_epochs=EPOCHS, gradient_clip_val=1.0,
        )  # fmt: skip
        trainer.fit(task, loader, TensorLoader(tensors.of(lambda t: t[:1024]), 1024))
    return trainer.throughput.rows_per_second()


def run(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    count, rounds = (20_000, 2) if arguments.quick else (60_000, 7)
    generator = torch.Generator().manual_seed(0)
    numeric = torch.randn(count, 40, generator=generator)
    codes = [torch.randint(0, k, (count,), generator=generator) for k in SPEC.cardinalities]
    target = (numeric[:, 0] > 1.5).long()
    tensors = Batch({"numeric": numeric, "categorical": torch.stack(codes, 1).int()}, target)
    table = Rows(target.numpy(), SPEC.classes, np.arange(count))
    plans = {
        "none": Plan(),
        "inverse": Inverse().fit(table),
        "logit_adjust": LogitAdjust().fit(table),
        "sampler": Sampler().fit(table),
    }
    speeds: dict[str, list[float]] = {name: [] for name in plans}
    for _ in range(rounds):
        for name, plan in plans.items():
            speeds[name].append(rows_per_second(plan, tensors))
    lines, targets = [], []
    for name, values in speeds.items():
        ratios = [a / b for a, b in zip(values, speeds["none"], strict=True)]
        ratio = common.spread(ratios, "of_none")
        lines.append({"part": "5 rows per second", "strategy": name} | ratio)
        if name != "none":
            what = f"5 speed: {name} / none"
            targets.append(common.target(what, statistics.median(ratios), ">=", 0.95))
    return lines, targets
