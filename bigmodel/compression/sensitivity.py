"""Which layer suffers most from a coding, by what it does to the network's outputs."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx

from bigmodel.bundle.engine import Engine
from bigmodel.compression.candidate import Candidate
from bigmodel.compression.graph import Graph, input_axes, rounded

_ROWS = 256


def errors(
    candidate: Candidate, coding: "partial[onnx.ModelProto]", names: Sequence[str]
) -> dict[str, float]:
    """The mean squared change of the outputs when one of the weights `names` alone is coded."""
    model = onnx.load_model_from_string(candidate.plain)
    rows = candidate.rows.rows(slice(_ROWS))
    before = Engine(candidate.plain, "the network").run(rows)
    found = {}
    for name in names:
        alone = partial(coding, keep=tuple(other for other in names if other != name))
        after = _answer(alone, model, candidate)
        found[name] = float(np.mean((after - before) ** 2))
    return found


def worst(
    candidate: Candidate,
    coding: "partial[onnx.ModelProto]",
    names: Sequence[str],
    kept: Sequence[str],
) -> str:
    """Of the weights that are not `kept` as floats, the one whose coding changes most."""
    found = errors(candidate, coding, names)
    return max((name for name in names if name not in kept), key=found.__getitem__)


def _answer(
    coding: Callable[..., onnx.ModelProto], model: onnx.ModelProto, candidate: Candidate
) -> np.ndarray:
    coded = coding(model, candidate.rows)
    rows = candidate.rows.rows(slice(_ROWS))
    return Engine(coded.SerializeToString(), "the network").run(rows)


def rounding_errors(candidate: Candidate, bits: int) -> dict[str, tuple[float, float]]:
    """What rounding the weights of one layer to `bits` bits does, by the weights' name.

    The mean squared change of the outputs, and the bytes that this layer saves against 8 bits.
    """
    model = onnx.load_model_from_string(candidate.plain)
    rows = candidate.rows.rows(slice(_ROWS))
    before = Engine(candidate.plain, "the network").run(rows)
    graph = Graph(model)
    found = {}
    for node, name, values in [*graph.layers(), *graph.tables()]:
        codes, scale = rounded(values, input_axes(node, values), bits)
        tried = Graph(model)
        tried.set(name, codes * scale)
        after = Engine(tried.finish().SerializeToString(), "the network").run(rows)
        saved = values.size * (8 - bits) / 8
        found[name] = (float(np.mean((after - before) ** 2)), saved)
    return found
