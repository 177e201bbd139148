"""Tensors of the Open Inference Protocol V2, in JSON and in its binary extension."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.serving.cells import Cells
from bigmodel.serving.errors import ApiError, invalid

DTYPES = {
    "BOOL": np.dtype("?"),
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
BYTES = "BYTES"
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Tensor:
    """`cells` in the order of their rows: an array, or a list (of bytes where it came binary)."""

    name: str
    shape: tuple[int, ...]
    cells: Cells

    @property
    def field(self) -> str:
        """How the request calls it."""
        return f"inputs.{self.name}"


def split(body: bytes, told: bytes | None) -> tuple[bytes, bytes]:
    """The JSON and the binary part; `told` is the header with the length of the first."""
    if told is None:
        return body, b""
    length = int(told) if told.isdigit() and len(told) < 20 else 0
    if not 0 < length <= len(body):
        raise ApiError(
            400, "wrong_length", "this is not the length of the JSON part of the body",
            "inference-header-content-length",
        )  # fmt: skip
    return body[:length], body[length:]


def read(inputs: Any, binary: bytes) -> list[Tensor]:
    """The tensors of `inputs`, whose binary data follow each other in `binary`.

    Raises ApiError 422 where one is not what it says.
    """
    if not isinstance(inputs, list) or not inputs:
        raise invalid("give the inputs as a list of tensors", "inputs")
    tensors, at = [], 0
    for index, told in enumerate(inputs):
        name, shape, datatype = _head(told, f"inputs[{index}]")
        size = (told.get("parameters") or {}).get("binary_data_size")
        place = f"inputs.{name}"
        count = math.prod(shape)
        if size is None:
            tensors.append(Tensor(name, shape, _from_json(told.get("data"), count, place)))
            continue
        if type(size) is not int or not 0 <= size <= len(binary) - at:
            raise invalid("binary_data_size is not the size of its data in the body", place)
        cells = _from_binary(binary[at : at + size], datatype, count, place)
        tensors.append(Tensor(name, shape, cells))
        at += size
    if at != len(binary):
        raise invalid("the body has more binary data than its inputs", "inputs")
    return tensors


def _head(told: Any, place: str) -> tuple[str, tuple[int, ...], str]:
    """Name, shape (of one or two dimensions) and datatype."""
    if not isinstance(told, dict) or not isinstance(told.get("parameters") or {}, dict):
        raise invalid("a tensor is an object with name, shape, datatype and data", place)
    name, shape, datatype = (told.get(key) for key in ("name", "shape", "datatype"))
    if not isinstance(name, str):
        raise invalid("the name has to be a text", place)
    sound = isinstance(shape, list) and all(type(side) is int and side > 0 for side in shape)
    if not sound or not isinstance(shape, list) or len(shape) not in (1, 2):
        raise invalid("the shape is [rows], or [rows, columns]", f"inputs.{name}")
    if not isinstance(datatype, str) or (datatype not in DTYPES and datatype != BYTES):
        raise invalid(f"datatype is one of {', '.join((*DTYPES, BYTES))}", f"inputs.{name}")
    return name, tuple(shape), datatype


def _from_json(data: Any, count: int, place: str) -> Sequence[Any]:
    """A flat list, of lists in lists or not."""
    if not isinstance(data, list):
        raise invalid("data is a list", place)
    if data and isinstance(data[0], list):
        if not all(isinstance(row, list) for row in data):
            raise invalid("data has lists and other things side by side", place)
        data = list(chain.from_iterable(data))
    if len(data) != count:
        raise invalid(f"data has {len(data):,} elements, the shape says {count:,}", place)
    flat: list[Any] = data
    return flat


def _from_binary(content: bytes, datatype: str, count: int, place: str) -> Cells:
    if datatype == BYTES:
        return _strings(content, count, place)
    dtype = DTYPES[datatype]
    if len(content) != count * dtype.itemsize:
        raise invalid(
            f"{len(content):,} bytes of data, the shape says {count * dtype.itemsize:,}", place
        )
    if datatype == "BOOL":
        content = (np.frombuffer(content, dtype=np.uint8) != 0).tobytes()  # any other byte is true
    values: NDArray[Any] = np.frombuffer(content, dtype=dtype)
    return values


def _strings(content: bytes, count: int, place: str) -> list[bytes]:
    """Each element has its length in four bytes in front."""
    found: list[bytes] = []
    at = 0
    while at + 4 <= len(content) and len(found) < count:
        (length,) = _LENGTH.unpack_from(content, at)
        found.append(content[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(content) or len(found) != count:
        raise invalid(f"the data are not {count:,} elements with their lengths", place)
    return found


def write(values: Any, datatype: str) -> bytes:
    """The values of an output as binary data."""
    if datatype == BYTES:
        return b"".join(map(_text, values))
    return np.ascontiguousarray(values, dtype=DTYPES[datatype]).tobytes()


@lru_cache(maxsize=4096)
def _text(value: Any) -> bytes:
    """A text with its length in front: that of a class is asked for over and over."""
    text = str(value).encode()
    return _LENGTH.pack(len(text)) + text


def described(name: str, datatype: str, shape: Sequence[int]) -> Mapping[str, Any]:
    """A tensor as metadata tell of it."""
    return {"name": name, "datatype": datatype, "shape": list(shape)}
