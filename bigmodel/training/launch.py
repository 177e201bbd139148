"""Several processes for one run: torch's elastic launcher starts them and stops them together."""

import os
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig


def processes(trainer: DictConfig) -> int:
    """How many processes the trainer's settings ask for on this machine; 1 without a strategy."""
    if "WORLD_SIZE" in os.environ or trainer.get("strategy", "auto") == "auto":
        return 1  # one device, or a launcher such as torchrun has done it already
    devices = trainer.get("devices", "auto")
    if isinstance(devices, int) and devices > 0:
        return devices
    import torch

    return max(1, torch.cuda.device_count())


def launch(count: int, work: Callable[..., Any], *arguments: Any) -> Any:
    """Run `work(*arguments)` in `count` processes that can talk; give back what the first returns.

    When one of them fails, the others are stopped and its error is raised here.
    """
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="bigmodel",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        start_method="spawn",
    )
    return elastic_launch(config, work)(*arguments)[0]
