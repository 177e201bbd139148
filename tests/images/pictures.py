"""Makers of small images, folders and zips of them."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (200, 50, 40)}
SIDE = 12


SMALL = [
    "data=images",
    "model=resnet20",
    "model.network.blocks=[1,1]",
    "model.network.widths=[8,16]",
    "optimizer.lr=0.01",
    "trainer.max_epochs=6",
    "data.batch_size=8",
]


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def noisy(colour: tuple[int, int, int], seed: int, side: int = SIDE) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, 25, (side, side, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


def write_folder(root: Path, each: int = 12, splits: tuple[str, ...] = ("",)) -> Path:
    """`each` images of every class, in folders of their names, below one for each split."""
    for part, split in enumerate(splits):
        for place, (name, colour) in enumerate(COLOURS.items()):
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(each):
                seed = 10_000 * part + 100 * place + index
                noisy(colour, seed).save(folder / f"{index:03d}.png")
    return root


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent).as_posix())
    return path


def with_size(width: int, height: int) -> bytes:
    """A PNG whose header says so, and whose content is that of another one."""
    content = bytearray(encoded(Image.new("L", (4, 4))))
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)
