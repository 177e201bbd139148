"""What a network costs, as further objectives of a search; less is better."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from bigmodel.data.batch import ask
from bigmodel.data.splits import TRAIN
from bigmodel.data.tables import TableData

CALLS = 30  # of which the median counts: other processes are at work, too


def latency_ms(network: nn.Module, data: TableData) -> float:
    """Milliseconds that the network takes for one row on the CPU, in PyTorch; measured noisily."""
    network = copy.deepcopy(network).eval().cpu()  # a fit may be going on
    row = data.tensors().rows(torch.from_numpy(data.prepared.rows(TRAIN)[:1])).inputs
    took = []
    with torch.inference_mode():
        for _ in range(CALLS):
            began = time.perf_counter()
            ask(network, row)
            took.append(time.perf_counter() - began)
    return round(1000 * statistics.median(took), 4)


def parameters(network: nn.Module, data: TableData) -> float:
    """Numbers in the network: its parameters, and what it carries unchanged."""
    return float(sum(value.numel() for value in network.state_dict().values()))


def size(network: nn.Module, data: TableData) -> float:
    """Bytes of the network's numbers, as the bundle stores them before compression."""
    values = network.state_dict().values()
    return float(sum(value.numel() * value.element_size() for value in values))


MEASURES: dict[str, Callable[[nn.Module, TableData], float]] = {
    "latency_ms": latency_ms,
    "parameters": parameters,
    "bytes": size,
}
