"""Any transforms of albumentations, image by image, each with the random numbers of its sample."""

import random
from copy import deepcopy
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Gt, Le
from numpy.typing import NDArray
from torch import Tensor

from bigmodel.data.augment.draws import Draws
from bigmodel.data.augment.images import EachImage
from bigmodel.data.augment.transforms import Transforms, pipeline
from bigmodel.data.batch import Batch
from bigmodel.data.threads import MOST, in_threads
from bigmodel.errors import UserError

__all__ = ["Albumentations"]

_FEWEST = 16  # images a thread takes at a time
_TRIED = 64  # images, before the fit
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601, as Pillow's


class Albumentations(EachImage):
    """Runs `transforms` (see `pipeline`), with `probability`; else an image stays as it is.

    What becomes of a sample follows from its own numbers, whatever is done before and beside it.
    Grey images are worked on as colour ones.
    """

    def __init__(
        self,
        transforms: Transforms,
        *,
        probability: Annotated[float, Gt(0), Le(1)] = 1.0,
    ) -> None:
        self.probability = probability
        self._pipelines = [_Seeded(pipeline(transforms))]

    def bind(self, table: Batch, rows: Tensor) -> None:
        """There are images, and the transforms can work on them."""
        super().bind(table, rows)
        some = table.inputs["image"][rows[:_TRIED]]
        try:
            self.change(some, Draws(0, 0, np.arange(len(some))))
        except UserError:
            raise
        except Exception as error:
            cause = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"augment: the transforms do not work on these images: {cause}"
            ) from error

    def change(self, image: Tensor, draws: Draws) -> Tensor:
        """Transformed."""
        pixels, keys = image.numpy(), draws.keys("image")
        size = max(_FEWEST, -(-len(pixels) // MOST))
        starts = range(0, len(pixels), size)
        while len(self._pipelines) < len(starts):
            self._pipelines.append(deepcopy(self._pipelines[0]))
        changed = np.empty_like(pixels)

        def work(start: int) -> None:
            own = self._pipelines[start // size]
            for at in range(start, min(start + size, len(pixels))):
                changed[at] = own(pixels[at], int(keys[at]))

        in_threads(work, starts)
        return torch.from_numpy(changed)


class _Seeded:
    """A pipeline all of whose random numbers come from one seed, set anew for each image."""

    def __init__(self, transforms: Any) -> None:
        self.transforms = transforms
        self.numbers = np.random.Generator(np.random.PCG64(0))
        self.python = random.Random()
        transforms.set_random_state(self.numbers, self.python)
        self._state = self.numbers.bit_generator.state

    def __call__(self, pixels: NDArray[np.uint8], key: int) -> NDArray[np.uint8]:
        """(channels, height, width) transformed."""
        self._state["state"]["state"] = key * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)
        self.numbers.bit_generator.state = self._state
        self.python.seed(key)
        channels, height, width = pixels.shape
        image = np.ascontiguousarray(np.broadcast_to(pixels, (3, height, width)).transpose(1, 2, 0))
        found = self.transforms(image=image)["image"]
        if found.shape != image.shape or found.dtype != np.uint8:
            raise UserError(
                f"augment: the transforms make {found.dtype} {found.shape} of uint8 {image.shape}; "
                "take out what changes the size (a crop needs the size of the images)"
            )
        if channels == 1:
            found = (found @ _LUMA).round()[:, :, None]
        result: NDArray[np.uint8] = found.transpose(2, 0, 1)
        return result
