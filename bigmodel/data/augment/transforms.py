"""Transforms of albumentations by their names, with nested choices, checked before a run.

albumentations 2.0.8 (MIT) is not developed any more, so its classes stay behind this module; names
that its older versions had are accepted.
"""

import inspect
import os
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

from bigmodel.config.suggest import closest

_OF, _NAME = "of", "name"  # the settings of ours: what a choice is of, and of what a label is
# names of older versions, and what stands for them; settings that are given win
ALIASES: dict[str, dict[str, Any]] = {
    "IAAPerspective": {_NAME: "Perspective"},
    "IAAAdditiveGaussianNoise": {_NAME: "GaussNoise", "std_range": [0.01, 0.05]},
    "IAAPiecewiseAffine": {_NAME: "PiecewiseAffine"},
    "IAASharpen": {_NAME: "Sharpen"},
    "IAAEmboss": {_NAME: "Emboss"},
    "Flip": {
        _NAME: "OneOf",
        _OF: {
            "HorizontalFlip": {"p": 1.0},
            "VerticalFlip": {"p": 1.0},
            "both": {
                _NAME: "Sequential",
                "p": 1.0,
                _OF: {"HorizontalFlip": {"p": 1.0}, "VerticalFlip": {"p": 1.0}},
            },
        },
    },
    "Compose": {_NAME: "Sequential", "p": 1.0},
}
_LIKELY = ("OneOf", "SomeOf", "Sequential", "RandomOrder")
Transforms = Mapping[str, Mapping[str, Any] | None]


def pipeline(transforms: Transforms) -> Any:
    """All transforms, one after the other, as an `albumentations.Compose`.

    A key is the name of a transform, or a label where the settings have a `name`; the settings
    are the transform's own. `of` are the transforms of a choice (OneOf, SomeOf, RandomOrder) or
    of a sequence (Sequential). Raises ValueError with one line at the first mistake.
    """
    return _library().Compose(_made(transforms, ""))


def _made(transforms: Transforms, place: str) -> list[Any]:
    return [
        _transform(key, dict(settings or {}), f"{place}{key}")
        for key, settings in transforms.items()
    ]


def _transform(key: str, settings: dict[str, Any], place: str) -> Any:
    name = str(settings.pop(_NAME, key))
    if name in ALIASES:
        settings = {**ALIASES[name], **settings}
        name = str(settings.pop(_NAME))
    made = _known().get(name)
    if made is None:
        raise ValueError(f"{place}: there is no transform {name}{closest(name, _names())}")
    parts = settings.pop(_OF, None)
    known = [n for n in inspect.signature(made.__init__).parameters if n != "self"]
    nests = "transforms" in known
    if nests:
        known.remove("transforms")
        if not isinstance(parts, Mapping) or not parts:
            raise ValueError(f"{place}: {name} needs transforms to choose from, under `{_OF}`")
    elif parts is not None:
        raise ValueError(f"{place}: {name} has no `{_OF}`; did you mean OneOf?")
    for setting in settings:
        if setting not in known:
            raise ValueError(f"{place}: {name} has no such setting{closest(setting, known)}")
    inner = {"transforms": _made(parts, f"{place}.")} if nests and parts else {}
    return _constructed(made, inner | {k: _tuples(v) for k, v in settings.items()}, place, name)


def _constructed(made: Any, settings: dict[str, Any], place: str, name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that it would like better
            return made(**settings)
    except Exception as error:
        raise ValueError(f"{place}: {name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What a library's exception says, in a line."""
    lines = str(error).splitlines() or [type(error).__name__]
    if "validation error" in lines[0] and len(lines) > 2:  # pydantic's: the setting, then why
        return f"{lines[1]}: {lines[2].strip().partition(' [type=')[0]}"
    return lines[0]


def _tuples(value: Any) -> Any:
    """YAML has lists where the library wants tuples."""
    if isinstance(value, list | tuple):
        return tuple(_tuples(item) for item in value)
    return value


def _names() -> list[str]:
    return [*_known(), *ALIASES]


@cache
def _known() -> dict[str, Any]:
    """All transforms and choices of the library; not those that take a function of the user's."""
    library = _library()
    found = {}
    for name, thing in vars(library).items():
        if not inspect.isclass(thing) or inspect.isabstract(thing):
            continue
        if name in _LIKELY or (
            issubclass(thing, library.BasicTransform)
            and name not in ("Lambda", "BasicTransform", "DualTransform", "ImageOnlyTransform")
        ):
            found[name] = thing
    return found


@cache
def _library() -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network
    try:
        import albumentations
        import cv2
    except ImportError as error:
        raise ValueError(
            'these transforms need albumentations; pip install "bigmodel[images]"'
        ) from error
    cv2.setNumThreads(0)  # several images are worked on at once instead
    return albumentations
