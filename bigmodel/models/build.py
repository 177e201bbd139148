"""A network made for a table: what its constructor is given."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bigmodel.data.batch import reads
from bigmodel.data.encoder import Encoded
from bigmodel.data.spec import ModelSpec
from bigmodel.data.splits import TRAIN, VAL
from bigmodel.errors import UserError


class Part(NamedTuple):
    """The rows of one split, for a network that fits a part of itself before the first step.

    `inputs` are the encoded rows, `target` (n,) class codes or standardised values, `weight` (n,)
    what they count, None when all count the same.
    """

    inputs: Encoded
    target: NDArray[Any]
    weight: NDArray[np.floating[Any]] | None = None


def build(
    network: Callable[..., nn.Module],
    spec: ModelSpec,
    weight: NDArray[np.floating[Any]] | None = None,
) -> nn.Module:
    """The network for a table of this shape.

    Its constructor gets what it asks for by name: `n_numeric`, `cardinalities`, `n_outputs`,
    `vocabulary`, `words`, `length`, `image` (see `ModelSpec`), `task`; and `train` and `val`,
    each a function that gives the `Part`. `weight` (n,) are the weights of all rows of the table.
    Raises UserError when the network reads what the table does not have.
    """
    asked = inspect.signature(network).parameters
    offered: dict[str, Callable[[], Any]] = {
        "n_numeric": lambda: spec.n_numeric,
        "cardinalities": lambda: spec.cardinalities,
        "n_outputs": lambda: spec.n_outputs,
        "vocabulary": lambda: spec.vocabulary,
        "words": lambda: spec.words,
        "length": lambda: spec.length,
        "image": lambda: spec.image,
        "task": lambda: spec.task,
        "train": lambda: partial(_part, spec, TRAIN, weight),
        "val": lambda: partial(_part, spec, VAL, weight),
    }
    kind = made_by(network)
    if isinstance(kind, type) and issubclass(kind, nn.Module):
        _check(kind, spec)  # before it is built: no network can be for inputs of no size
    made = network(**{name: give() for name, give in offered.items() if name in asked})
    _check(type(made), spec)  # what a function made is only known now
    if not any(name in reads(made) and 0 not in shape for name, shape in spec.shapes.items()):
        raise UserError(
            f"model: {type(made).__name__} reads nothing of what the data has "
            f"({_has(spec)}); choose another model, such as {_MODELS}"
        )
    return made


def made_by(network: Any) -> Any:
    """The class, or the function, behind what a config gives: partials of partials of it."""
    while isinstance(network, partial):
        network = network.func
    return network


def _check(kind: type[nn.Module], spec: ModelSpec) -> None:
    """Raises UserError when the data lacks an input that such a network reads."""
    for name in reads(kind):
        if name not in spec.shapes:
            raise UserError(
                f"model: {kind.__name__} reads {_WORDS.get(name, name)}, and the data has none; "
                f"{_FIXES.get(name, 'choose another model')}"
            )


def _has(spec: ModelSpec) -> str:
    return ", ".join(
        _WORDS.get(name, f"{name} columns") for name, shape in spec.shapes.items() if 0 not in shape
    )


_MODELS = "model=resnet20 for images and model=text_cnn for texts"
_WORDS = {"tokens": "texts", "image": "images"}
_FIXES = {
    "tokens": "name a text column with data.kinds.NAME=text, or choose another model",
    "image": "use data=images, or choose another model",
}


def _part(spec: ModelSpec, part: int, weight: NDArray[np.floating[Any]] | None) -> Part:
    assert spec.table is not None, "this network needs the table's rows, not only its shape"
    rows = spec.table.rows(part)
    inputs = {name: array[rows] for name, array in spec.table.inputs.named().items()}
    own = None if weight is None else weight[rows]
    return Part(Encoded(**inputs), spec.table.target[rows], own)
