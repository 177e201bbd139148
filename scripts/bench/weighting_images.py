"""Part 2: small images, 100 : 1, five seeds with the classes in another order each time.

16x16 by average pooling, a network of three convolutions, balanced test images. There are too
few rare images for a validation split: the last epoch counts, and tau is 1. Post-hoc adjustment
and cRT start from the plainly trained network: both are what comes after.
"""

import argparse
import copy
import io
import statistics
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from fits import paired
from PIL import Image
from pytorch_lightning import seed_everything
from torch import Tensor, nn

from bigmodel.data.encoder import Encoded, Encoder
from bigmodel.data.prepare import Prepared
from bigmodel.data.schema import Schema, Target
from bigmodel.data.spec import ModelSpec
from bigmodel.data.splits import TEST, TRAIN
from bigmodel.data.tables import TableData
from bigmodel.models.task import Task
from bigmodel.training import run as running
from bigmodel.training.checkpoints import Checkpoints
from bigmodel.training.measure import finish, measure
from bigmodel.training.schedules import one_cycle
from bigmodel.training.trainer import Trainer
from bigmodel.training.weigh import rows_of
from bigmodel.weighting.logits import LogitAdjust, LogitAdjustPostHoc
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.stages import CRT

IMBALANCE, MOST = 100, 1200  # rows of the largest class
SHAPE = (3, 16, 16)
EPOCHS, BATCH = 25, 64


class Convolutions(nn.Module):
    """Takes (n, 768) numbers in 0..1, flipped and shifted at random in training."""

    def __init__(self, n_numeric: int, cardinalities: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, out in ((3, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(64, n_outputs)

    def features(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        images = numeric.view(-1, *SHAPE)
        if self.training:
            flips = torch.rand(len(images)) < 0.5
            images = torch.where(flips[:, None, None, None], images.flip(3), images)
            moved = torch.randint(-2, 3, (2,)).tolist()
            images = images.roll(moved, (2, 3))
        return self.body(images)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        return self.head(self.features(numeric, categorical))


class Images(TableData):
    """Ready-made arrays in the place of a table."""

    def __init__(self, prepared: Prepared, seed: int) -> None:
        super().__init__(target="class", batch_size=BATCH, seed=seed)
        self._prepared = prepared

    @property
    def spec(self) -> ModelSpec:
        return replace(super().spec, n_numeric=int(np.prod(SHAPE)))


def read(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Part -> images (n, 768) float32 and class codes, from the archive's folders."""
    found: dict[str, list[tuple[np.ndarray, str]]] = {"train": [], "test": []}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".jpg"):
                part, label = name.split("/")[-3:-1]
                pixels = np.asarray(Image.open(io.BytesIO(archive.read(name))), np.float32) / 255
                pooled = pixels.reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
                found[part].append((pooled.transpose(2, 0, 1).ravel(), label))
    labels = sorted({label for _, label in found["train"]})
    return {
        part: (np.stack([x for x, _ in pairs]), np.array([labels.index(y) for _, y in pairs]))
        for part, pairs in found.items()
    }


def prepared(parts: dict[str, tuple[np.ndarray, np.ndarray]], seed: int) -> Prepared:
    """A long tail of the training images, all to test with."""
    (images, labels), (test_images, test_labels) = parts["train"], parts["test"]
    rng = np.random.default_rng(seed)
    train = []
    for rank, label in enumerate(rng.permutation(10)):
        rows = rng.permutation(np.flatnonzero(labels == label))
        train.append(rows[: int(MOST * IMBALANCE ** (-rank / 9))])
    chosen = np.concatenate(train)
    numeric = np.concatenate([images[chosen], test_images]).astype(np.float32)
    return Prepared(
        schema=Schema((), Target("class", "multiclass", "str", tuple(map(str, range(10))))),
        encoder=Encoder((), ()),
        inputs=Encoded(
            (numeric - numeric.mean()) / numeric.std(), np.zeros((len(numeric), 0), dtype=np.int32)
        ),
        target=np.concatenate([labels[chosen], test_labels]).astype(np.int64),
        split=np.repeat(np.array([TRAIN, TEST], dtype=np.int8), [len(chosen), len(test_labels)]),
        group=np.zeros(0, dtype=np.int32),
        side=np.zeros((len(numeric), 0)),
        side_names=(),
        quality={},
        sample=None,  # no bundle is written here
    )


def fitted(data: Images, plan: Plan, seed: int) -> Task:
    seed_everything(seed, verbose=False)

    def sgd(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)

    task = Task(
        Convolutions, spec=data.spec, optimizer=sgd, scheduler=one_cycle, plan=plan,
        monitor="val/macro_f1",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            run_dir=Path(folder), seed=seed, callbacks=[Checkpoints()], logger=False,
            accelerator="cpu", devices=1, max_epochs=EPOCHS, gradient_clip_val=5.0,
        )  # fmt: skip
        running.fit(trainer, task, data)
    return task


def run(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    parts = read(common.need(arguments.data / "cifar10_small" / "cifar10_small.zip"))
    seeds = range(1 if arguments.quick else 5)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        data = Images(prepared(parts, seed), seed)
        rows = rows_of(data.prepared)
        plain = fitted(data, Plan(), seed)
        adjusted = fitted(data, LogitAdjust().fit(rows), seed)
        after = {"logit_adjust_posthoc": LogitAdjustPostHoc(), "crt": CRT(epochs=8)}
        tasks = {"none": plain, "logit_adjust": adjusted}
        for name, strategy in after.items():
            tasks[name] = copy.deepcopy(plain)
            tasks[name].plan = strategy.fit(rows)
        for name, task in tasks.items():
            finish(task, data)
            found.setdefault(name, []).append(measure(task, data).metrics)
    lines, targets = [], []
    for metric in ("macro_f1", "few_recall"):
        control = [m[f"test/{metric}"] for m in found["none"]]
        for name, metrics in found.items():
            values = [m[f"test/{metric}"] for m in metrics]
            line = {"part": f"2 images 100:1, test {metric}", "strategy": name}
            lines.append(line | {"seeds": len(seeds)} | paired(values, control))
            if name != "none":
                mean = statistics.mean(values)
                gain = mean - statistics.mean(control)
                wanted = (gain, 0.12) if metric == "macro_f1" else (mean, 0.20)
                what = "gain in macro F1" if metric == "macro_f1" else "few-class accuracy"
                targets.append(
                    common.target(f"2 images: {name}: {what}", wanted[0], ">=", wanted[1])
                )
    return lines, targets
