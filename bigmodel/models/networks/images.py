"""What networks of images share: pixels made numbers, and the other columns of their rows."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from bigmodel.models.networks.inputs import TableInputs

View = Literal["hflip", "vflip"]
VIEWS: dict[View, Callable[[Tensor], Tensor]] = {
    "hflip": lambda image: image.flip(3),
    "vflip": lambda image: image.flip(2),
}
CENTRE, SPREAD = 0.5, 0.25  # of pixels in 0..1: about those of photos
_TABLE_WIDTH, _EMBEDDING = 64, 8  # of what stands beside an image


class ImageNetwork(nn.Module):
    """An extractor of features with a linear head; subclasses make the extractor.

    Called with image (n, channels, height, width) uint8, which is normalised here, so that what
    is served takes pixels as they are; numeric (n, p) float32 and categorical (n, q) int32, which
    may have no columns. Those that there are stand beside the features of the image, through one
    hidden layer. Gives (n, n_outputs).

    `trunk` makes (n, width) of normalised images. In eval mode the answers are averaged, as
    probabilities, over the image and its `test_time` views.
    """

    def __init__(
        self,
        trunk: nn.Module,
        width: int,
        n_outputs: int,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        test_time: tuple[View, ...] = (),
    ) -> None:
        super().__init__()
        self.trunk = trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.test_time = tuple(test_time)
        self.table: nn.Module | None = None
        if n_numeric or cardinalities:
            self.inputs = TableInputs(n_numeric, tuple(cardinalities), _EMBEDDING)
            self.table = nn.Sequential(nn.Linear(self.inputs.width, _TABLE_WIDTH), nn.ReLU())
            width += _TABLE_WIDTH
        self.head = nn.Linear(width, n_outputs)

    def features(self, image: Tensor, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What the head gets: (n, width)."""
        # channels last: a CPU trains a ResNet-20 a quarter faster, as convolutions take it as it is
        pixels = normalised(image).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.trunk(pixels)
        if self.table is None:
            return features
        return torch.cat([features, self.table(self.inputs(numeric, categorical))], dim=1)

    def forward(self, image: Tensor, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Logits (n, n_outputs), or the standardised value (n, 1)."""
        output: Tensor = self.head(self.features(image, numeric, categorical))
        if self.training or not self.test_time:
            return output
        outputs = [output]
        for view in self.test_time:
            outputs.append(self.head(self.features(VIEWS[view](image), numeric, categorical)))
        return averaged(torch.stack(outputs))


def normalised(image: Tensor) -> Tensor:
    """uint8 pixels as floats of about mean 0 and deviation 1."""
    return image.float() * (1 / (255 * SPREAD)) - CENTRE / SPREAD


def averaged(outputs: Tensor) -> Tensor:
    """The logarithm of the mean of probabilities of (k, n, n_outputs); values as they are."""
    if outputs.shape[2] == 1:
        return outputs.mean(0)
    return outputs.softmax(2).mean(0).clamp(min=1e-12).log()
