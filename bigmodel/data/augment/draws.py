"""Random numbers that belong to a sample: the same whatever batch, process or restart it is in."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_STEP = np.uint64(0x9E3779B97F4A7C15)  # of SplitMix64 (Steele, Lea and Flood 2014)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch's samples.

    `samples` (n,) int64 name them: one number a row, another one each time that an epoch draws
    the row again. `strength` (n,) is what a step's probability is multiplied by; None for 1.
    """

    seed: int
    epoch: int
    samples: NDArray[np.int64]
    strength: Tensor | None = None
    step: str = ""

    def uniform(self, name: str = "", count: int = 1) -> Tensor:
        """(n, count) float32 in [0, 1), others for each name."""
        keys = self.keys(name)[:, None] + np.arange(count, dtype=np.uint64) * _STEP
        return torch.from_numpy((_mixed(keys) >> np.uint64(40)).astype(np.float32) * 2.0**-24)

    def chance(self, probability: float | Tensor) -> Tensor:
        """(n,) bool: which samples the step is to change."""
        limit = probability if self.strength is None else self.strength * probability
        return self.uniform("chance")[:, 0] < limit

    def normal(self, name: str, count: int) -> Tensor:
        """(n, count) float32 of the standard normal distribution (Box and Muller 1958)."""
        radius = (-2.0 * torch.log1p(-self.uniform(f"{name} radius", count))).sqrt()
        return radius * torch.cos(2.0 * torch.pi * self.uniform(f"{name} angle", count))

    def keys(self, name: str = "") -> NDArray[np.uint64]:
        """(n,) uint64: a seed for each sample, others for each name."""
        salt = crc32(f"{self.step}/{name}".encode())
        base = _mixed(np.array([self.seed, self.epoch, salt], dtype=np.uint64) * _STEP)
        return _mixed(self.samples.astype(np.uint64) * _STEP + np.bitwise_xor.reduce(base))


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: every bit of the key changes half of the result's."""
    keys = (keys ^ (keys >> np.uint64(30))) * _FIRST
    keys = (keys ^ (keys >> np.uint64(27))) * _SECOND
    result: NDArray[np.uint64] = keys ^ (keys >> np.uint64(31))
    return result
