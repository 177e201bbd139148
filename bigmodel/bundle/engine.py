"""The engine that runs a bundle's network, from verified bytes, on the CPU."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.network import Network
from bigmodel.bundle.sessions import ENGINES, ONNXRUNTIME, first_line
from bigmodel.data.encoder import Encoded
from bigmodel.errors import UserError

ROWS = 2048  # a run: its activations stay in the cache, and more rows only cost speed
WIDE_ROWS = 32  # the same where a row is a text or an image


class Engine:
    """One network, ready to run; safe to use from several threads.

    `threads` is the number of cores that one run may use, by default all that the process may;
    `kind` is a name of `ENGINES`. Raises UserError, naming `place`, when the model is not one that
    this room wrote, or the engine is not installed. `passing` are bytes that were needed for the
    moment of opening it.
    """

    def __init__(
        self,
        model: bytes | Network,
        place: str,
        threads: int | None = None,
        kind: str = ONNXRUNTIME,
    ) -> None:
        _refuse_external_data(model, place)
        self._inputs, outputs, self._ask = ENGINES[kind](model, place, threads or available_cores())
        # beside what stays: the file's bytes and a copy of them, or a weight and what is made of it
        self.passing = model.largest if isinstance(model, Network) else 2 * len(model)
        if not set(self._inputs) <= set(Encoded._fields) or outputs != ["output"]:
            raise UserError(f"{place}: not a network of a bundle: it has other inputs or outputs")
        self._plain = self._inputs == ["numeric"]

    def run(self, encoded: Encoded) -> NDArray[np.float32]:
        """The network's output, (n, n_outputs) float32, for n encoded rows."""
        if self._plain and len(encoded.numeric) <= ROWS:  # the usual request: at once
            return self._ask({"numeric": encoded.numeric})
        order = None
        if "tokens" in self._inputs and encoded.tokens is not None:  # of like length in one run
            order = np.argsort((encoded.tokens != 0).sum(axis=1), kind="stable")
        feeds = self._feeds(encoded, order)
        parts = [self._ask(feed) for feed in feeds]
        output = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if order is None:
            return output
        back = np.empty_like(output)
        back[order] = output
        return back

    def _feeds(
        self, encoded: Encoded, order: NDArray[np.intp] | None
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """The rows, in this order, in pieces that keep the memory for activations small."""
        given = {name: getattr(encoded, name) for name in self._inputs}
        wide = encoded.tokens is not None or encoded.image is not None
        size = WIDE_ROWS if wide else ROWS
        for start in range(0, len(encoded.numeric) or 1, size):
            rows: Any = slice(start, start + size)
            if order is None:
                yield {name: array[rows] for name, array in given.items()}
                continue
            feed = {name: array[order[rows]] for name, array in given.items()}
            longest = int((feed["tokens"] != 0).sum(axis=1).max(initial=1))
            yield feed | {"tokens": feed["tokens"][:, :longest]}


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _refuse_external_data(model: bytes | Network, place: str) -> None:
    """A model whose weights stand in other files could make the engine read any file.

    Such a tensor names its file under the key "location": a model without these letters, but for
    those of a `Network` itself, has none, and need not be parsed twice.
    """
    apart = model if isinstance(model, Network) else None
    raw = model.graph if isinstance(model, Network) else model
    if raw.count(b"location") == (apart.count if apart else 0):
        return
    import onnx

    try:
        external = _has_external(onnx.load_model_from_string(raw), apart.name if apart else None)
    except Exception as error:
        raise UserError(f"{place}: not an ONNX model: {first_line(error)}") from error
    if external:
        raise UserError(
            f"{place}: keeps weights in files outside the bundle: refused; "
            "export it again with the weights inside"
        )


def _has_external(message: Any, ours: str | None) -> bool:
    """Whether any tensor within this protobuf message keeps its data elsewhere than in our file."""
    for field, value in message.ListFields():
        if field.name == "external_data":
            if [one.value for one in value if one.key == "location"] != [ours]:
                return True
        elif field.name == "data_location" and value and not message.external_data:
            return True
        if field.type == field.TYPE_MESSAGE:
            parts = [value] if hasattr(value, "ListFields") else value
            if any(_has_external(part, ours) for part in parts):
                return True
    return False
