"""Augmentation of whole batches of images at once: what is faster so than image by image."""

import math
from abc import abstractmethod
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor
from torch.nn import functional as F

from bigmodel.data.augment.augment import Step
from bigmodel.data.augment.draws import Draws
from bigmodel.data.augment.mixing import beta, mixed, partners
from bigmodel.data.batch import Batch
from bigmodel.errors import UserError

__all__ = ["Affine", "CutMix", "Cutout", "Flip", "Noise", "Shift"]

Probability = Annotated[float, Gt(0), Le(1)]
_GREY = 128  # fills what is cut out


class ImageStep(Step):
    """Needs images."""

    def bind(self, table: Batch, rows: Tensor) -> None:
        """There are images to change."""
        if "image" not in table.inputs:
            raise UserError(
                f"augment: {type(self).__name__} changes images, and the data has none; "
                "use data=images, or take that step out"
            )


class EachImage(ImageStep):
    """Changes images, each with `probability`, whatever their targets."""

    probability: float

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Change the chosen images."""
        image = batch.inputs["image"]
        changed = self.change(image, draws)
        chosen = draws.chance(self.probability)
        if not chosen.all():
            changed = torch.where(chosen[:, None, None, None], changed, image)
        return batch._replace(inputs={**batch.inputs, "image": changed})

    @abstractmethod
    def change(self, image: Tensor, draws: Draws) -> Tensor:
        """All images (n, channels, height, width) uint8 changed, in a new tensor."""


class Flip(EachImage):
    """Mirrors: left and right, or with `vertical` top and bottom."""

    def __init__(self, *, vertical: bool = False, probability: Probability = 0.5) -> None:
        self.vertical, self.probability = vertical, probability

    def change(self, image: Tensor, draws: Draws) -> Tensor:
        """Mirrored."""
        return image.flip(2 if self.vertical else 3)


class Shift(EachImage):
    """Moves by up to `most` of the sides, as a random crop of a padded image does.

    What comes in at the edge is the image mirrored, or with `reflect: false` black.
    """

    def __init__(
        self,
        *,
        most: Annotated[float, Gt(0), Lt(1)] = 0.125,
        reflect: bool = True,
        probability: Probability = 1.0,
    ) -> None:
        self.most, self.reflect, self.probability = most, reflect, probability

    def change(self, image: Tensor, draws: Draws) -> Tensor:
        """Moved."""
        height, width = image.shape[2:]
        high, wide = (max(1, round(self.most * side)) for side in (height, width))
        if self.reflect and high < height and wide < width:  # uint8 has no reflection of its own
            rows, columns = _mirrored(height, high), _mirrored(width, wide)
            padded = image[:, :, rows][:, :, :, columns]
        else:
            padded = F.pad(image, (wide, wide, high, high))
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        place = draws.uniform("place", 2)
        down = (place[:, 0] * (2 * high + 1)).long()
        right = (place[:, 1] * (2 * wide + 1)).long()
        return windows[torch.arange(len(image)), :, down, right]


class Affine(EachImage):
    """Turns by up to `degrees`, scales by 1 +- `scale`, shears and moves; edges are mirrored.

    `shear` is in degrees, `shift` a share of the sides.
    """

    def __init__(
        self,
        *,
        degrees: Annotated[float, Ge(0), Le(180)] = 15.0,
        scale: Annotated[float, Ge(0), Lt(1)] = 0.1,
        shear: Annotated[float, Ge(0), Lt(90)] = 0.0,
        shift: Annotated[float, Ge(0), Lt(1)] = 0.0625,
        probability: Probability = 0.5,
    ) -> None:
        self.degrees, self.scale, self.shear, self.shift = degrees, scale, shear, shift
        self.probability = probability

    def change(self, image: Tensor, draws: Draws) -> Tensor:
        """Turned, scaled, sheared and moved."""
        turn, size, shear, right, down = (2 * draws.uniform("affine", 5) - 1).unbind(1)
        angle = turn * math.radians(self.degrees)
        slope = torch.tan(shear * math.radians(self.shear))
        size = 1 / (1 + size * self.scale)
        cos, sin = angle.cos() * size, angle.sin() * size
        ratio = image.shape[2] / image.shape[3]  # a turn is one of pixels, not of shares of sides
        rows = [
            torch.stack([cos, (slope * cos - sin) * ratio, 2 * self.shift * right], 1),
            torch.stack([sin / ratio, slope * sin + cos, 2 * self.shift * down], 1),
        ]
        grid = F.affine_grid(torch.stack(rows, 1), list(image.shape), align_corners=False)
        moved = F.grid_sample(image.float(), grid, padding_mode="reflection", align_corners=False)
        return moved.round().clamp(0, 255).to(torch.uint8)


class Noise(EachImage):
    """Adds Gaussian noise, whose deviation is up to `sd` of the full range."""

    def __init__(
        self, *, sd: Annotated[float, Gt(0), Le(1)] = 0.05, probability: Probability = 0.5
    ) -> None:
        self.sd, self.probability = sd, probability

    def change(self, image: Tensor, draws: Draws) -> Tensor:
        """Noisy."""
        noise, generator = torch.empty(image.shape), torch.Generator()
        for row, key in zip(noise, draws.keys("noise").tolist(), strict=True):
            row.normal_(generator=generator.manual_seed(key >> 1))
        deviation = 255 * self.sd * draws.uniform("sd")[:, :, None, None]
        return (image + noise * deviation).round().clamp(0, 255).to(torch.uint8)


class Cutout(EachImage):
    """Greys out a square with sides of `size` of the image's (DeVries and Taylor 2017)."""

    def __init__(
        self, *, size: Annotated[float, Gt(0), Lt(1)] = 0.25, probability: Probability = 0.5
    ) -> None:
        self.size, self.probability = size, probability

    def change(self, image: Tensor, draws: Draws) -> Tensor:
        """With a hole."""
        side = torch.full((len(image),), self.size)
        return image.masked_fill(_boxes(image, side, draws)[:, None], _GREY)


class CutMix(ImageStep):
    """A box of another image, and its share of the loss (Yun et al. 2019, arXiv 1905.04899).

    The box covers 1 - b of the image, b of Beta(`alpha`, `alpha`).
    """

    def __init__(
        self,
        *,
        alpha: Annotated[float, Gt(0)] = 1.0,
        probability: Probability = 0.5,
    ) -> None:
        self.alpha, self.probability = alpha, probability

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Put boxes of other images of the batch in."""
        image, partner = batch.inputs["image"], partners(batch, draws)
        side = (1 - beta(self.alpha, draws)).sqrt() * draws.chance(self.probability)
        box = _boxes(image, side, draws)
        changed = torch.where(box[:, None], image[partner], image)
        share = torch.where(partner == torch.arange(len(image)), 1.0, 1 - box.float().mean((1, 2)))
        return mixed(batch._replace(inputs={**batch.inputs, "image": changed}), partner, share)


def _boxes(image: Tensor, side: Tensor, draws: Draws) -> Tensor:
    """Whether a pixel is in the box, (n, height, width): its centre is anywhere in the image."""
    centre = draws.uniform("centre", 2)
    inside = []
    for axis, length in enumerate(image.shape[2:]):
        pixel = (torch.arange(length) + 0.5) / length
        inside.append((pixel - centre[:, axis : axis + 1]).abs() < side[:, None] / 2)
    return inside[0][:, :, None] & inside[1][:, None, :]


def _mirrored(length: int, edge: int) -> Tensor:
    """The indices 0 to length - 1 with `edge` reflected ones at both ends."""
    index = torch.arange(-edge, length + edge).abs()
    return torch.where(index < length, index, 2 * (length - 1) - index)
