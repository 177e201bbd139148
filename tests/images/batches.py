"""Batches of small photos, and what a step makes of them."""

import numpy as np
import torch
from PIL import Image

from bigmodel.data.augment.draws import Draws
from bigmodel.data.batch import Batch

N, SIDE = 24, 16


def photos(channels: int = 3, n: int = N) -> Batch:
    """Smooth images with some structure: what a blur or a shift changes."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE))) for one in small]
    image = torch.from_numpy(np.stack(large).transpose(0, 3, 1, 2)[:, :channels].copy())
    inputs = {
        "numeric": torch.zeros(n, 0),
        "categorical": torch.zeros(n, 0, dtype=torch.int32),
        "image": image,
    }
    return Batch(inputs, torch.arange(n) % 3)


def draws(samples, epoch: int = 0) -> Draws:
    return Draws(3, epoch, np.asarray(samples), None, "step")


def changed(step, batch: Batch, samples=None, epoch: int = 0) -> torch.Tensor:
    samples = np.arange(len(batch.target)) if samples is None else samples
    return step(batch, draws(samples, epoch)).inputs["image"]
