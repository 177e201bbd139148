"""Augmentation without anything to tune: a few operations at random strengths."""

from abc import abstractmethod
from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt, Le
from numpy.typing import NDArray
from torch import Tensor

from bigmodel.data.augment.draws import Draws
from bigmodel.data.augment.images import EachImage
from bigmodel.data.threads import MOST, in_threads

__all__ = ["RandAugment", "TrivialAugment"]

_FEWEST = 32  # images a thread takes at a time
_TRANSLATION = 32 / 224  # of RandAugment's and TrivialAugment's images: a seventh of a side
_Share = Annotated[float, Gt(0), Le(1)]


class _Automatic(EachImage):
    """`count` random operations one after the other, each of a strength of its own."""

    def __init__(self, count: int, probability: float) -> None:
        self.count, self.probability = count, probability

    @abstractmethod
    def strengths(self, draws: Draws) -> Tensor:
        """(n, count) in 0..1."""

    def change(self, image: Tensor, draws: Draws) -> Tensor:
        """Transformed."""
        from bigmodel.data.augment.operations import OPERATIONS

        names = [*OPERATIONS]
        chosen = (draws.uniform("operation", self.count) * len(names)).long().numpy()
        sign = torch.where(draws.uniform("sign", self.count) < 0.5, -1, 1)
        magnitude = (self.strengths(draws) * sign).numpy()
        pixels, changed = image.numpy(), np.empty(image.shape, dtype=np.uint8)
        size = max(_FEWEST, -(-len(pixels) // MOST))

        def work(start: int) -> None:
            for at in range(start, min(start + size, len(pixels))):
                steps = zip([names[i] for i in chosen[at]], magnitude[at].tolist(), strict=True)
                changed[at] = _applied(pixels[at], list(steps))

        in_threads(work, range(0, len(pixels), size))
        return torch.from_numpy(changed)


class TrivialAugment(_Automatic):
    """One operation of a random strength (Mueller and Hutter 2021, arXiv 2103.10158), "wide"."""

    def __init__(self, *, probability: _Share = 1.0) -> None:
        super().__init__(1, probability)

    def strengths(self, draws: Draws) -> Tensor:
        """Any of 31 strengths."""
        return (draws.uniform("strength") * 31).floor() / 30


class RandAugment(_Automatic):
    """`operations` of the same `strength` (Cubuk et al. 2020, arXiv 1909.13719).

    1 is the widest range of TrivialAugment, which is wider than the published one.
    """

    def __init__(
        self,
        *,
        operations: Annotated[int, Gt(0)] = 2,
        strength: _Share = 0.2,
        probability: _Share = 1.0,
    ) -> None:
        super().__init__(operations, probability)
        self.strength = strength

    def strengths(self, draws: Draws) -> Tensor:
        """All the same."""
        return torch.full((len(draws.samples), self.count), self.strength)


def _applied(pixels: NDArray[np.uint8], steps: list[tuple[str, float]]) -> NDArray[np.uint8]:
    """(channels, height, width) after the operations, each with a magnitude in -1..1."""
    from PIL import Image

    from bigmodel.data.augment.operations import OPERATIONS

    grey = len(pixels) == 1
    image = Image.fromarray(pixels[0] if grey else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    for name, magnitude in steps:
        share = _TRANSLATION if name.startswith("translate") else 1.0
        image = OPERATIONS[name](image, share * magnitude)
    found = np.asarray(image, dtype=np.uint8)
    return found[None] if grey else found.transpose(2, 0, 1)
