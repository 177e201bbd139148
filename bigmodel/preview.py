"""A picture of what an augmentation makes of the training images.

bigmodel preview augment=image_strong data=images data.path=photos output=preview.png
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.errors import UserError
from bigmodel.files import atomic

if TYPE_CHECKING:
    from bigmodel.data.augment.augment import Augment
    from bigmodel.data.tables import TableData

USAGE = """usage: bigmodel preview augment=NAME data=images data.path=PATH [output=FILE]

  output  a PNG file, preview.png by default: a row for each of some training images,
          at the left the image itself, then what eight epochs make of it
  the other settings are those of `bigmodel train`"""
_IMAGES, _EPOCHS = 8, 8
_SIDE, _GAP = 96, 4  # pixels: smaller images are shown larger, by whole factors


def preview(augment: Augment | None, data: TableData, output: Path) -> None:
    """Write the picture of some training images of `data` and what `augment` makes of them.

    Raises UserError when there is nothing to show.
    """
    import torch

    from bigmodel.data.splits import TRAIN

    if augment is None:
        raise UserError("augment: none changes nothing; name one, such as augment=image_light")
    tensors, rows = data.tensors(), torch.from_numpy(data.prepared.rows(TRAIN))
    if "image" not in tensors.inputs:
        raise UserError("preview shows images, and the data has none; use data=images")
    augment.bind(tensors, rows, data.settings.seed)
    some = rows[torch.linspace(0, len(rows) - 1, min(_IMAGES, len(rows))).long()]
    batch = tensors.rows(some)
    columns = [batch] + [augment(batch, some, epoch) for epoch in range(_EPOCHS)]
    write_grid([column.inputs["image"].numpy() for column in columns], output)


def write_grid(columns: list[NDArray[np.uint8]], output: Path) -> None:
    """Columns of images, each (n, channels, height, width), as one PNG on white."""
    from PIL import Image

    factor = max(1, -(-_SIDE // min(columns[0].shape[2:])))
    tiles = np.stack(columns, axis=1).repeat(factor, axis=3).repeat(factor, axis=4)
    tiles = np.pad(tiles, ((0, 0), (0, 0), (0, 0), (0, _GAP), (0, _GAP)), constant_values=255)
    rows, across, channels, height, width = tiles.shape
    grid = tiles.transpose(0, 3, 1, 4, 2).reshape(rows * height, across * width, channels)
    with atomic(output) as file:
        Image.fromarray(grid[:, :, 0] if channels == 1 else grid).save(file, "PNG")


def main(argv: list[str]) -> int:
    """`bigmodel preview`; returns the exit code."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    from bigmodel.config import compose as composing
    from bigmodel.config.check import prefixes
    from bigmodel.config.instantiate import instantiate
    from bigmodel.config.trust import trusting

    outputs = [text for text in argv if text.startswith("output=")]
    overrides = [text for text in argv if text not in outputs]
    output = Path(outputs[-1].partition("=")[2] if outputs else "preview.png")
    if output.suffix.lower() != ".png":
        raise UserError(f"output={output}: must end with .png")
    with trusting(prefixes([text for text in overrides if composing.is_trust(text)])):
        cfg: Any = composing.compose("train", overrides)
        preview(instantiate(cfg.augment), instantiate(cfg.data), output)
    print(f"{output}: at the left some training images, then {_EPOCHS} epochs of them")
    return 0
