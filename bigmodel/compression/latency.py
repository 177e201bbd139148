"""How long one call takes: several engines asked in turn, so that a busy machine slows them all."""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from bigmodel.bundle.engine import Engine
from bigmodel.bundle.sessions import ONNXRUNTIME
from bigmodel.data.batch import ask
from bigmodel.data.encoder import Encoded

BATCHES = (1, 64)
_BLOCKS, _SECONDS = 5, 1.0  # blocks of calls, and about how long all of them may take
Call = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """How many times as fast: the median over blocks of calls, with the least and the greatest."""

    value: float
    low: float
    high: float


def asks(onnx: bytes, rows: Encoded, kind: str = ONNXRUNTIME) -> Call:
    """One call of an engine of this kind, on one core. Raises UserError as `Engine` does."""
    engine = Engine(onnx, "the network", threads=1, kind=kind)
    return lambda: engine.run(rows)


def asks_eagerly(network: nn.Module, rows: Encoded) -> Call:
    """One call of the torch network, as it is."""
    inputs = {name: torch.from_numpy(array) for name, array in rows.named().items()}
    network.eval()

    def call() -> object:
        with torch.inference_mode():
            return ask(network, inputs)

    return call


def medians(calls: Mapping[str, Call], seconds: float = _SECONDS) -> dict[str, list[float]]:
    """The median seconds of a call, one for each of several blocks, by name."""
    for call in calls.values():
        call()
    started = time.perf_counter()
    for call in calls.values():
        call()
    once = max(time.perf_counter() - started, 1e-6)
    rounds = int(min(200, max(3, seconds / once / _BLOCKS)))
    found: dict[str, list[float]] = {name: [] for name in calls}
    order, draws = list(calls.items()), random.Random(0)
    for _ in range(_BLOCKS):
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            draws.shuffle(order)  # each is asked after each: they share a cache
            for name, call in order:
                began = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - began)
        for name, values in times.items():
            found[name].append(statistics.median(values))
    return found


def ratio(before: list[float], after: list[float]) -> Ratio:
    """Of the blocks of two calls that were asked in turn."""
    each = [one / other for one, other in zip(before, after, strict=True)]
    return Ratio(statistics.median(each), min(each), max(each))


def speeds(onnx: bytes, plain: bytes, rows: Encoded, seconds: float) -> dict[str, float]:
    """How many times as fast as `plain` the file is: "b1" and "b64", for 1 and 64 rows."""
    found = {}
    for batch in BATCHES:
        few = rows.rows(slice(batch))
        took = medians({"after": asks(onnx, few), "before": asks(plain, few)}, seconds)
        found[f"b{batch}"] = round(ratio(took["before"], took["after"]).value, 3)
    return found


def gains(onnx: bytes, plain: bytes, network: nn.Module, rows: Encoded) -> dict[str, float]:
    """How many times as fast `onnx` is, for batches of 1 and 64 rows, on one core.

    `latency_ratio_b1`: than `plain`, the uncompressed file in the same engine; with its least and
    greatest over blocks of calls. `latency_ratio_eager_b1`: than the `network` in torch.
    """
    found: dict[str, float] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for batch in BATCHES:
            few = rows.rows(slice(batch))
            took = medians(
                {
                    "after": asks(onnx, few),
                    "before": asks(plain, few),
                    "eager": asks_eagerly(network, few),
                }
            )
            gain = ratio(took["before"], took["after"])
            found |= {
                f"latency_ratio_b{batch}": gain.value,
                f"latency_ratio_b{batch}_low": gain.low,
                f"latency_ratio_b{batch}_high": gain.high,
                f"latency_ratio_eager_b{batch}": ratio(took["eager"], took["after"]).value,
            }
    finally:
        torch.set_num_threads(threads)
    return {name: round(value, 3) for name, value in found.items()}
