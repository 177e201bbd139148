"""What a network costs, as further objectives of a search; less is better."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from bigmodel.data.batch import ask
from bigmodel.data.splits import TRAIN
from bigmodel.data.tables import TableData
from bigmodel.models.task import Task

CALLS = 30  # of which the median counts: other processes are at work, too


def latency_ms(model: Task, data: TableData) -> float:
    """Milliseconds that the network takes for one row on the CPU, in PyTorch; measured noisily."""
    network = model.network.eval().cpu()
    row = data.tensors().rows(torch.from_numpy(data.prepared.rows(TRAIN)[:1])).inputs
    took = []
    with torch.inference_mode():
        for _ in range(CALLS):
            began = time.perf_counter()
            ask(network, row)
            took.append(time.perf_counter() - began)
    return round(1000 * statistics.median(took), 4)


def parameters(model: Task, data: TableData) -> float:
    """Numbers in the network: its parameters, and what it carries unchanged."""
    return float(sum(value.numel() for value in model.network.state_dict().values()))


def size(model: Task, data: TableData) -> float:
    """Bytes of the network's numbers, as the bundle stores them before compression."""
    values = model.network.state_dict().values()
    return float(sum(value.numel() * value.element_size() for value in values))


MEASURES: dict[str, Callable[[Task, TableData], float]] = {
    "latency_ms": latency_ms,
    "parameters": parameters,
    "bytes": size,
}
