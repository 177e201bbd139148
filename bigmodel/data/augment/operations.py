"""The fourteen operations of AutoAugment's descendants, by Pillow as published."""

from collections.abc import Callable
from typing import Any

from PIL import Image, ImageEnhance, ImageOps

_GREY = 128  # fills what comes in from outside

# an image, and a magnitude in -1..1 (negative only where it has a direction), give an image
Operation = Callable[[Any, float], Any]


def _moved(image: Any, *matrix: float) -> Any:
    fill = _GREY if image.mode == "L" else (_GREY,) * 3
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill
    )


def _turned(image: Any, degrees: float) -> Any:
    fill = _GREY if image.mode == "L" else (_GREY,) * 3
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=fill)


def _enhanced(kind: Any, most: float) -> Operation:
    return lambda image, m: kind(image).enhance(1 + most * m)


# the ranges of TrivialAugment's "wide" space (Mueller and Hutter 2021, table 7)
OPERATIONS: dict[str, Operation] = {
    "identity": lambda image, m: image,
    "autocontrast": lambda image, m: ImageOps.autocontrast(image),
    "equalize": lambda image, m: ImageOps.equalize(image),
    "rotate": lambda image, m: _turned(image, 135 * m),
    "solarize": lambda image, m: ImageOps.solarize(image, round(255 * (1 - abs(m)))),
    "posterize": lambda image, m: ImageOps.posterize(image, 8 - round(6 * abs(m))),
    "color": _enhanced(ImageEnhance.Color, 0.99),
    "contrast": _enhanced(ImageEnhance.Contrast, 0.99),
    "brightness": _enhanced(ImageEnhance.Brightness, 0.99),
    "sharpness": _enhanced(ImageEnhance.Sharpness, 0.99),
    "shear_x": lambda image, m: _moved(image, 1, 0.99 * m, 0, 0, 1, 0),
    "shear_y": lambda image, m: _moved(image, 1, 0, 0, 0.99 * m, 1, 0),
    "translate_x": lambda image, m: _moved(image, 1, 0, m * image.width, 0, 1, 0),
    "translate_y": lambda image, m: _moved(image, 1, 0, 0, 0, 1, m * image.height),
}
