"""ConvNeXt (Liu et al. 2022, arXiv 2201.03545): convolutions laid out like a Transformer."""

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Len, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel.errors import UserError
from bigmodel.models.networks.images import ImageNetwork, View

__all__ = ["ConvNeXt"]

_Size = Annotated[int, Gt(0)]
_STEM, _LEAST = 4, 4  # the published patch, and pixels that the last stage should still have
_SCALE = 1e-6  # of what a block adds, at first


class ConvNeXt(ImageNetwork):
    """Stages of depthwise 7x7 convolutions between pointwise layers; tiny has 3, 3, 9, 3 blocks.

    The stem cuts the image into patches of 4x4 pixels, of 2x2 or 1x1 where it is so small that
    the last stage would see less than 4x4 of them. Between stages the image is halved. `drop_path`
    is the chance that the last block is left out for a sample in training, rising from 0 at the
    first (stochastic depth, Huang et al. 2016). See `ImageNetwork` for what it is called with.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        n_outputs: int,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        *,
        blocks: Annotated[Sequence[_Size], Len(1)] = (3, 3, 9, 3),
        widths: Annotated[Sequence[_Size], Len(1)] = (96, 192, 384, 768),
        drop_path: Annotated[float, Ge(0), Lt(1)] = 0.1,
        test_time: Sequence[View] = (),
    ) -> None:
        if len(blocks) != len(widths):
            raise UserError("model: blocks and widths need one number for each stage")
        channels, height, width = image
        patch, least = _STEM, min(height, width)
        while patch > 1 and least / patch / 2 ** (len(blocks) - 1) < _LEAST:
            patch //= 2
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], patch, patch), Norm(widths[0])]
        before, done, last = widths[0], 0, max(1, sum(blocks) - 1)
        for stage, (count, after) in enumerate(zip(blocks, widths, strict=True)):
            if stage:
                padding = least // patch // 2**stage == 0  # an image of one pixel is not halved
                halving = nn.Conv2d(before, after, 2, 2, padding=int(padding))
                layers += [Norm(before), halving]
            for _ in range(count):
                layers.append(Block(after, drop_path * done / last))
                done += 1
            before = after
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(before, eps=1e-6)]
        trunk = nn.Sequential(*layers)
        for module in trunk.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        super().__init__(trunk, before, n_outputs, n_numeric, cardinalities, tuple(test_time))


class Norm(nn.LayerNorm):
    """Over the channels of (n, channels, height, width), pixel by pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        normed: Tensor = super().forward(x.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


class Block(nn.Module):
    """x + scale * pointwise(gelu(pointwise(norm(depthwise(x)))))."""

    def __init__(self, width: int, drop: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), _SCALE))
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w), the same shape."""
        inner = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        inner = (self.narrow(F.gelu(self.wide(inner))) * self.scale).permute(0, 3, 1, 2)
        if self.training and self.drop:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            inner = inner * kept / (1 - self.drop)
        added: Tensor = x + inner
        return added
