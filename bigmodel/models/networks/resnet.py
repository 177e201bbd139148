"""Residual networks (He et al. 2016, arXiv 1512.03385), for small and for large images."""

from collections.abc import Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Len, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.errors import UserError
from bigmodel.models.networks.images import ImageNetwork, View

__all__ = ["ResNet"]

_SMALL = 64  # pixels: up to there a stem that halves twice would throw away too much
_Size = Annotated[int, Gt(0)]


class ResNet(ImageNetwork):
    """Stages of two-convolution blocks; ResNet-20 has 3 of 3, ResNet-18 has 4 of 2.

    `blocks` and `widths` are the number of blocks and of channels of each stage; each but the
    first halves the image. Where a block changes the shape, its `shortcut` is a convolution of
    1x1 ("conv", option B), or drops every second pixel and pads the channels with zeros ("pad",
    option A). Images of more than 64 pixels are first halved twice, by a 7x7 convolution and a
    maximum. See `ImageNetwork` for what it is called with.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        n_outputs: int,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        *,
        blocks: Annotated[Sequence[_Size], Len(1)] = (3, 3, 3),
        widths: Annotated[Sequence[_Size], Len(1)] = (16, 32, 64),
        shortcut: Literal["pad", "conv"] = "pad",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        test_time: Sequence[View] = (),
    ) -> None:
        if len(blocks) != len(widths):
            raise UserError("model: blocks and widths need one number for each stage")
        channels, height, width = image
        small = max(height, width) <= _SMALL
        layers: list[nn.Module] = list(_stem(channels, widths[0], small))
        before = widths[0]
        for stage, (count, after) in enumerate(zip(blocks, widths, strict=True)):
            for index in range(count):
                stride = 2 if stage and not index else 1
                layers.append(Block(before, after, stride, shortcut))
                before = after
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout)]
        trunk = nn.Sequential(*layers)
        super().__init__(trunk, before, n_outputs, n_numeric, cardinalities, tuple(test_time))
        for module in self.trunk.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class Block(nn.Module):
    """relu(x + f(x)), f being convolution, norm, relu, convolution, norm."""

    def __init__(self, before: int, after: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.first = nn.Sequential(*_convolution(before, after, 3, stride))
        self.second = nn.Sequential(*_convolution(after, after, 3, 1))
        nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]  # starts as the identity
        self.inner, self.outer = nn.ReLU(inplace=True), nn.ReLU(inplace=True)  # clipped apart
        self.stride, self.pad = stride, after - before
        changes = stride > 1 or self.pad != 0
        self.projection = (
            nn.Sequential(*_convolution(before, after, 1, stride))
            if changes and (shortcut == "conv" or self.pad < 0)
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, before, h, w) to (n, after, h / stride, w / stride)."""
        inner = self.second(self.inner(self.first(x)))
        if self.projection is not None:
            x = self.projection(x)
        elif self.pad or self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, self.pad // 2, self.pad - self.pad // 2))
        result: Tensor = self.outer(inner + x)
        return result


def _stem(channels: int, width: int, small: bool) -> list[nn.Module]:
    if small:
        return [*_convolution(channels, width, 3, 1), nn.ReLU(inplace=True)]
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    return [*_convolution(channels, width, 7, 2), nn.ReLU(inplace=True), pool]


def _convolution(before: int, after: int, size: int, stride: int) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)
    return convolution, nn.BatchNorm2d(after)
