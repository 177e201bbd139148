"""One image, from whatever holds it to the pixels that a network takes.

`decode` is the one piece of code that does this, in training and in serving. It needs Pillow (the
extra `images`), and neither torch nor anything else.
"""

import io
import warnings
import zipfile
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.errors import UserError

Shape = tuple[int, int, int]  # channels, height, width
Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # fewer parsers, fewer of their bugs
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".webp", ".gif", ".bmp")
MOST_PIXELS = 89_478_485  # Pillow's own bound: a quarter of a gigabyte in memory
MOST_BYTES = 1 << 28
_SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_SHARPER = 2  # a JPEG is decoded at no less than so many times the size wanted


@dataclass(frozen=True)
class ZipMember:
    """An image in a zip file; it is read from there, and never unpacked to the disk."""

    archive: str
    name: str


Source = bytes | str | Path | ZipMember | NDArray[Any]


class Broken(Exception):  # noqa: N818 (a verdict on an image; who asked decides what it means)
    """Why there are no pixels, as the end of a line."""


def decode(source: Any, shape: Shape) -> Pixels:
    """The pixels of an image, uint8 of `shape` (channels, height, width).

    `source` are the bytes of a file, its path, a `ZipMember`, or pixels: uint8 of `shape`, or
    (h, w), (h, w, 1), (h, w, 3) or (h, w, 4). Turned as its EXIF tag says, without transparency
    (on white), in 8 bits, fitted into the size from its centre; of an animation the first frame.
    Raises Broken.
    """
    if isinstance(source, np.ndarray) and source.dtype == np.uint8 and source.shape == shape:
        return source
    from PIL import ImageOps

    channels, height, width = shape
    try:
        image = _flat(_upright(_opened(source, max(height, width))), channels)
        if image.size != (width, height):
            image = ImageOps.fit(image, (width, height), _pillow().Resampling.BICUBIC)
    except (Broken, UserError):
        raise
    except Exception as error:  # whatever a parser raises at a damaged file
        raise Broken(f"is damaged ({_words(error)})") from error
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def encode(pixels: Pixels) -> bytes:
    """The pixels (channels, height, width) as a PNG file, which `decode` gives back as they are."""
    image = _pillow().fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def read(source: Any) -> bytes:
    """The bytes of an image file. Raises Broken."""
    if isinstance(source, bytes):
        return _sound(source, len(source))
    try:
        if isinstance(source, ZipMember):
            archive = _archive(source.archive, Path(source.archive).stat().st_mtime_ns)
            size = archive.getinfo(source.name).file_size
            return _sound(archive.read(source.name) if size <= MOST_BYTES else b"", size)
        if isinstance(source, str | Path) and str(source):
            size = Path(source).stat().st_size
            return _sound(Path(source).read_bytes() if size <= MOST_BYTES else b"", size)
    except OSError as error:
        raise Broken(f"cannot be read ({error.strerror or error})") from error
    except (zipfile.BadZipFile, KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        raise Broken(f"cannot be read ({_words(error)})") from error
    if source is None or source != source or source == "":  # None, NaN, NA
        raise Broken("is missing")
    raise Broken(f"is no image, path or bytes, but {type(source).__name__}")


def size_of(source: Any) -> tuple[int, int]:
    """Height and width as they are stored. Raises Broken."""
    try:
        width, height = _opened(source, 1 << 16, load=False).size
    except (Broken, UserError):
        raise
    except Exception as error:
        raise Broken(f"is damaged ({_words(error)})") from error
    return height, width


def _sound(content: bytes, size: int) -> bytes:
    if size > MOST_BYTES:
        raise Broken(f"is too large ({size:,} bytes; {MOST_BYTES:,} are allowed)")
    if not size:
        raise Broken("is empty")
    return content


@lru_cache(maxsize=4)
def _archive(path: str, _changed: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)  # stays open: its list of files is read once


@cache
def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise UserError('images need Pillow; pip install "bigmodel[images]"') from error
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # see MOST_PIXELS
    return Image


def _opened(source: Any, side: int, load: bool = True) -> Any:
    """The image as Pillow has it; a JPEG perhaps smaller, but with sides of at least `side`."""
    pillow = _pillow()
    if isinstance(source, np.ndarray):
        return _from_array(source)
    try:
        image = pillow.open(io.BytesIO(read(source)), formats=FORMATS)
    except pillow.DecompressionBombError as error:
        raise Broken(_too_large()) from error
    except pillow.UnidentifiedImageError as error:
        raise Broken(f"is none of {', '.join(FORMATS)}, or damaged") from error
    if image.width * image.height > MOST_PIXELS:
        raise Broken(_too_large())
    if not image.width * image.height:
        raise Broken("has no pixels")
    if load:
        image.draft(None, (_SHARPER * side, _SHARPER * side))
        image.load()
    return image


def _too_large() -> str:
    return f"has too many pixels (more than {MOST_PIXELS:,})"


def _from_array(pixels: NDArray[Any]) -> Any:
    flat = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    fits = flat.ndim == 2 or (flat.ndim == 3 and flat.shape[2] in (3, 4))
    if pixels.dtype != np.uint8 or not fits or not flat.size:
        raise Broken(
            f"is an array of {pixels.dtype} {pixels.shape}, not uint8 (height, width[, channels])"
        )
    return _pillow().fromarray(np.ascontiguousarray(flat))


def _upright(image: Any) -> Any:
    """Turned as the camera was held; a tag that cannot be read turns nothing."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 (damaged EXIF data, in whatever way: the image itself is fine)
        return image


def _flat(image: Any, channels: int) -> Any:
    """Grey or RGB in 8 bits, without transparency."""
    wanted = "L" if channels == 1 else "RGB"
    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = _pillow().fromarray(((values + 128) // 257).astype(np.uint8))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
        white = _pillow().new("RGBA", image.size, "white")
        image = _pillow().alpha_composite(white, image)
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == wanted else image.convert(wanted)


def _words(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
