"""What the arrays of this room are called, and the few functions that all of it needs."""

import hashlib
from collections.abc import Mapping
from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
State = dict[str, NDArray[Any]]
T = TypeVar("T")
_SHORT = 8
FLOOR = -8.0  # of a log probability: nobody is punished, or believed, beyond it


def changed(this: T, **fields: Any) -> T:
    """A copy with other fields: `dataclasses.replace` without its checks, which cost ten times."""
    other = object.__new__(type(this))
    vars(other).update(vars(this), **fields)
    return other


def log_softmax(scores: Floats) -> Floats:
    """Over the last axis."""
    shifted = scores - _along_last(np.maximum, scores)
    shifted -= np.log(_along_last(np.add, np.exp(shifted)))
    return np.asarray(shifted)


def _along_last(work: np.ufunc, array: Floats) -> Floats:
    """`work.reduce` over the last axis, which stays; NumPy is slow where that is short."""
    if array.shape[-1] > _SHORT:
        return np.asarray(work.reduce(array, axis=-1, keepdims=True))
    parts = (array[..., index] for index in range(array.shape[-1]))
    return np.asarray(reduce(work, parts))[..., None]


def log_sum(scores: Floats) -> Floats:
    """log(sum(exp(scores))) over the first axis."""
    top = scores.max(axis=0)
    return np.asarray(top + np.log(np.exp(scores - top).sum(axis=0)))


def one_hot(labels: Ints, classes: int) -> Floats:
    """(n,) codes to (n, classes)."""
    hot = np.zeros((len(labels), classes))
    hot[np.arange(len(labels)), labels] = 1.0
    return hot


def diagonal(square: Floats) -> Floats:
    """A view of it, (n,)."""
    return np.asarray(np.einsum("ii->i", square))


def widened(array: Floats, classes: int, fill: float = 0.0) -> Floats:
    """The last axis made as long as there are classes."""
    missing = classes - array.shape[-1]
    if missing <= 0:
        return array
    more = np.full((*array.shape[:-1], missing), fill, dtype=array.dtype)
    return np.concatenate([array, more], axis=-1)


def under(prefix: str, state: Mapping[str, NDArray[Any]]) -> State:
    """The entries below `prefix/`, without it."""
    start = f"{prefix}/"
    return {key.removeprefix(start): a for key, a in state.items() if key.startswith(start)}


def prefixed(prefix: str, state: Mapping[str, NDArray[Any]]) -> State:
    """The entries with `prefix/` before their names."""
    return {f"{prefix}/{key}": array for key, array in state.items()}


def digest(state: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of names, types, shapes and bits, as 64 hexadecimal digits."""
    found = hashlib.sha256()
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()
