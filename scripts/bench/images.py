"""Images: how much of a bare loop's and of bare library calls' speed is left.

Fit: the preset `cifar_small` (ResNet-20, 32x32, mirrored and shifted) against a plain PyTorch loop
with the same network, batch, optimizer and thread count, on pixels that are decoded already; the
bare loop mirrors and shifts its batches, too. Decode: a zip of JPEG files to pixels, against
reading the same members and calling Pillow in as many threads. Augment: the transforms of
`image_strong` against the library called on each image in a plain loop, seeded once. Variants
take turns; ratios with their spread. Two threads, or as many as there are cores.
"""

import contextlib
import io
import os
import statistics
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from omegaconf import OmegaConf
from PIL import Image, ImageOps
from pytorch_lightning import loggers
from torch.nn import functional as F

from bigmodel.data.augment.albumentations import Albumentations
from bigmodel.data.augment.augment import Augment
from bigmodel.data.augment.draws import Draws
from bigmodel.data.augment.images import Flip, Shift
from bigmodel.data.augment.transforms import pipeline
from bigmodel.data.batch import Batch
from bigmodel.data.image.decode import ZipMember
from bigmodel.data.image.frames import decode_all
from bigmodel.data.loader import TensorLoader
from bigmodel.data.spec import ModelSpec
from bigmodel.models.networks.resnet import ResNet
from bigmodel.models.task import Task
from bigmodel.training.checkpoints import Checkpoints
from bigmodel.training.trainer import Trainer

SHAPE, BATCH, CLASSES = (3, 32, 32), 64, tuple("abcdefghij")
SPEC = ModelSpec(0, (), "multiclass", 10, CLASSES, 0, image=SHAPE)
THREADS = min(2, os.cpu_count() or 1)


def network(**_: object) -> ResNet:
    torch.manual_seed(0)
    return ResNet(SHAPE, 10, 0, ())


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True
    )


def bare_fit(data: Batch, epochs: int) -> float:
    """Images per second of the loop that everybody writes, with the usual two augmentations."""
    net, images, target = network().train(), data.inputs["image"], data.target
    optimizer, size = sgd(net.parameters()), SHAPE[1]
    empty, seconds = torch.zeros(BATCH, 0), []
    steps = len(target) // BATCH
    for _ in range(epochs):
        started = time.perf_counter()
        order = torch.randperm(len(target))
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            batch = images[rows]
            batch = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, batch.flip(3), batch)
            padded = F.pad(batch.float(), (4, 4, 4, 4), mode="reflect").to(torch.uint8)
            places = torch.randint(0, 9, (BATCH, 2)).tolist()
            batch = torch.stack(
                [one[:, y : y + size, x : x + size]
                 for one, (y, x) in zip(padded, places, strict=True)]
            )  # fmt: skip
            loss = F.cross_entropy(net(batch, empty, empty), target[rows], label_smoothing=0.1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        seconds.append(time.perf_counter() - started)
    return steps * BATCH / statistics.median(seconds)


def our_fit(data: Batch, epochs: int) -> float:
    """The trainer, task, callbacks and augmentation of `bigmodel train`, all on."""
    task = Task(network, spec=SPEC, optimizer=sgd, monitor="val/macro_f1", label_smoothing=0.1)
    augment = Augment({"flip": Flip(), "shift": Shift()})
    augment.bind(data, torch.arange(len(data.target)), seed=0)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        trainer = Trainer(
            run_dir=Path(folder), seed=0, callbacks=[Checkpoints(every_seconds=30.0)],
            logger=loggers.CSVLogger(folder, name="", version=""), accelerator="cpu", devices=1,
            max_epochs=epochs, gradient_clip_val=1.0, log_every_n_steps=50,
        )  # fmt: skip
        trainer.fit(
            task,
            TensorLoader(data, BATCH, shuffle=True, drop_last=True, augment=augment),
            TensorLoader(data.of(lambda x: x[:128]), 128),
        )
    return trainer.throughput.rows_per_second()


def bare_decode(path: Path, names: list[str]) -> float:
    """Images per second of Pillow in a pool of threads."""
    _, height, width = SHAPE
    started = time.perf_counter()
    with zipfile.ZipFile(path) as archive:
        pixels = np.empty((len(names), *SHAPE), dtype=np.uint8)

        def work(at: int) -> None:
            with Image.open(io.BytesIO(archive.read(names[at]))) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
                fitted = ImageOps.fit(upright, (width, height), Image.Resampling.BICUBIC)
            pixels[at] = np.asarray(fitted).transpose(2, 0, 1)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(len(names))))
    return len(names) / (time.perf_counter() - started)


def our_decode(path: Path, names: list[str]) -> float:
    started = time.perf_counter()
    found = decode_all([ZipMember(str(path), name) for name in names], SHAPE)
    assert not found.broken
    return len(names) / (time.perf_counter() - started)


def transforms() -> Any:
    preset = OmegaConf.load(common.ROOT / "conf" / "augment" / "image_strong.yaml")
    return OmegaConf.to_container(preset.steps.classic.transforms)


def bare_augment(images: torch.Tensor, threads: int) -> float:
    """The library's own calls, a pipeline for each thread."""
    given = images.permute(0, 2, 3, 1).contiguous().numpy()
    pieces = np.array_split(np.arange(len(given)), threads)
    pipelines = [pipeline(transforms()) for _ in pieces]

    def work(index: int) -> None:
        for at in pieces[index]:
            pipelines[index](image=given[at])

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return len(given) / (time.perf_counter() - started)


def our_augment(images: torch.Tensor, threads: int) -> float:
    step = Albumentations(transforms())
    step.change(images[:BATCH], Draws(0, 0, np.arange(BATCH)))
    seconds = 0.0
    for at in range(0, len(images), 256):
        piece = images[at : at + 256]
        draws = Draws(0, 0, np.arange(at, at + len(piece)))
        started = time.perf_counter()
        step.change(piece, draws)
        seconds += time.perf_counter() - started
    return len(images) / seconds


def main() -> None:
    arguments = common.arguments(__doc__)
    path = common.need(arguments.data / "cifar10_small" / "cifar10_small.zip")
    torch.set_num_threads(THREADS)
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
    rounds, some = (1, 512) if arguments.quick else (5, 3072)
    names = names[:some]
    pixels = decode_all([ZipMember(str(path), name) for name in names], SHAPE).pixels
    images = torch.from_numpy(pixels)
    target = torch.arange(some) % 10
    empty = torch.zeros(some, 0)
    inputs = {"numeric": empty, "categorical": empty.int(), "image": images}
    data = Batch(inputs, target)
    pairs = {
        "fit": (lambda: bare_fit(data, 3), lambda: our_fit(data, 3)),
        "decode": (lambda: bare_decode(path, names), lambda: our_decode(path, names)),
        "augment": (lambda: bare_augment(images, THREADS), lambda: our_augment(images, THREADS)),
    }
    rows, targets = [], []
    for part, (bare, ours) in pairs.items():
        bare(), ours()  # caches fill, libraries load
        speeds = [(bare(), ours()) for _ in range(rounds)]
        ratios = [own / plain for plain, own in speeds]
        for name, index in (("bare", 0), ("ours", 1)):
            speed = statistics.median(pair[index] for pair in speeds)
            row: dict[str, Any] = {"part": part, "variant": name, "images_per_second": round(speed)}
            rows.append(row | (common.spread(ratios, "of_bare") if index else {}))
        targets.append(
            common.target(f"{part}: images/s of bare", statistics.median(ratios), ">=", 0.9)
        )
    common.finish("images", rows, targets, arguments)


if __name__ == "__main__":
    main()
