"""Pack constants of an ONNX file without loss; standard nodes of the graph unpack them at load.

ONNX Runtime folds these nodes when it opens the file, and then runs the very kernels that it
would run on the dense file: no code, no custom operator, no slower answer.

Three codings, the smallest of which is taken: a palette (few different values: as many bits each
as their number needs), a bitmask with the values that are not zero, and half precision where it
holds the floats exactly.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bigmodel.compression.graph import Graph

_MOST_BITS = 7  # of a palette's index: with 8, nothing is gained
_OVERHEAD = 600  # bytes of the nodes that unpack a tensor, about


@dataclass(frozen=True)
class Coding:
    """How one tensor is stored: `masked` leaves out its zeros, `bits` index a palette of values.

    `half` stores floats in two bytes: "float16" or "bfloat16". `bytes` is what it takes.
    """

    bytes: float
    masked: bool = False
    bits: int = 0
    half: str = ""


def pack(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in a smaller file: every output stays the same, bit for bit."""
    graph = Graph(model)
    for name, values in graph.constants().items():
        if values.dtype not in (np.int8, np.uint8, np.float32):
            continue
        coding = best(values)
        if coding.bytes + _OVERHEAD < values.nbytes:
            _replace(graph, name, values, coding)
    return graph.finish()


def best(values: NDArray[Any]) -> Coding:
    """The coding of these values that takes the fewest bytes; dense where none helps."""
    full = values[values != 0]
    found = [Coding(values.nbytes), *(_variants(values, False, 0.0))]
    if np.count_nonzero(values) < values.size and not np.signbit(values[values == 0]).any():
        mask = values.size / 8
        found += [Coding(mask + full.nbytes, True), *_variants(full, True, mask)]
    return min(found, key=lambda coding: coding.bytes)


def _variants(values: NDArray[Any], masked: bool, extra: float) -> list[Coding]:
    """The palette and the half precision of these values, where they apply."""
    found = []
    palette = _palette(values)
    if palette is not None:
        bits = max(1, int(np.ceil(np.log2(len(palette)))))
        size = bits * values.size / 8 + palette.nbytes
        found.append(Coding(extra + size, masked, bits=bits))
    half = _half(values)
    if half:
        found.append(Coding(extra + 2 * values.size, masked, half=half))
    return found


def _palette(values: NDArray[Any]) -> NDArray[Any] | None:
    """The different values, when there are few."""
    different: NDArray[Any] = np.unique(values)
    few = 0 < len(different) <= 2**_MOST_BITS and np.isfinite(different).all()
    return different if few and not np.signbit(different[different == 0]).any() else None


def _half(values: NDArray[Any]) -> str:
    """Which two-byte type holds every one of these floats exactly; empty where none does."""
    if values.dtype != np.float32:
        return ""
    with np.errstate(over="ignore"):
        if np.array_equal(values.astype(np.float16).astype(np.float32), values):
            return "float16"
    return "" if (values.view(np.uint32) & 0xFFFF).any() else "bfloat16"


def _replace(graph: Graph, name: str, values: NDArray[Any], coding: Coding) -> None:
    """A node gives the constant `name` from now on."""
    graph.remove(name)
    place = f"{name}/packed"
    flat = values.reshape(-1)
    if coding.masked:
        some = _stored(graph, f"{place}/values", flat[flat != 0], coding)
        zero = graph.add(f"{place}/zero", np.zeros(1, values.dtype))
        all_of = graph.node("Concat", [zero, some], f"{place}/all", axis=0)
        mask = _bits(graph, f"{place}/mask", (flat != 0).astype(np.uint8), 1)
        axis = graph.add("packed/axis", np.array(0, np.int64))
        count = graph.node("CumSum", [mask, axis], f"{place}/count")
        index = graph.node("Mul", [count, mask], f"{place}/index")
        dense = graph.node("Gather", [all_of, index], f"{place}/flat")
    else:
        dense = _stored(graph, f"{place}/values", flat, coding)
    shape = graph.add(f"{place}/shape", np.array(values.shape, np.int64))
    graph.node("Reshape", [dense, shape], name)


def _stored(graph: Graph, place: str, values: NDArray[Any], coding: Coding) -> str:
    """The values themselves, flat: as they are, in two bytes, or by their palette."""
    if coding.half:
        stored = graph.add(f"{place}/half", _to_half(values, coding.half))
        return graph.node("Cast", [stored], f"{place}/float", to=onnx.TensorProto.FLOAT)
    if not coding.bits:
        return graph.add(f"{place}/dense", values)
    palette, index = np.unique(values, return_inverse=True)
    given = graph.add(f"{place}/palette", palette)
    places = _bits(graph, f"{place}/index", index.astype(np.uint8), coding.bits)
    return graph.node("Gather", [given, places], f"{place}/looked_up")


def _to_half(values: NDArray[Any], kind: str) -> NDArray[Any]:
    if kind == "float16":
        return values.astype(np.float16)
    import ml_dtypes  # comes with onnx

    return values.astype(ml_dtypes.bfloat16)


def _bits(graph: Graph, place: str, codes: NDArray[np.uint8], bits: int) -> str:
    """Codes (n,) of `bits` bits, one plane of bits after the other; gives them as int32 (n,)."""
    planes = (codes[None] >> np.arange(bits, dtype=np.uint8)[:, None]) & 1
    stored = np.packbits(planes, axis=1, bitorder="little")
    given = graph.add(f"{place}/bits", stored[:, :, None])
    eight = graph.add("packed/eight", np.arange(8, dtype=np.uint8))
    one = graph.add("packed/one", np.array(1, np.uint8))
    shifted = graph.node("BitShift", [given, eight], f"{place}/shifted", direction="RIGHT")
    single = graph.node("BitwiseAnd", [shifted, one], f"{place}/single")
    wide = graph.add(f"{place}/wide", np.array([bits, -1], np.int64))
    rows = graph.node("Reshape", [single, wide], f"{place}/rows")
    whole = graph.node("Cast", [rows], f"{place}/whole", to=onnx.TensorProto.INT32)
    worth = graph.add(f"packed/worth{bits}", (2 ** np.arange(bits, dtype=np.int32))[:, None])
    each = graph.node("Mul", [whole, worth], f"{place}/each")
    axis = graph.add("packed/axes", np.array([0], np.int64))
    total = graph.node("ReduceSum", [each, axis], f"{place}/total", keepdims=0)
    start = graph.add("packed/start", np.array([0], np.int64))
    end = graph.add(f"{place}/end", np.array([len(codes)], np.int64))
    return graph.node("Slice", [total, start, end, start], f"{place}/codes")
