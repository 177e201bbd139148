"""Which layer suffers most from a coding, by what it does to the network's outputs."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx

from bigmodel.bundle.engine import Engine
from bigmodel.compression.candidate import Candidate

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
