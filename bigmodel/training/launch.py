"""Several processes for one run: torch's elastic launcher starts them and stops them together."""

import json
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bigmodel import files
from bigmodel.errors import BigmodelError, Interrupted, Paused, UserError


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
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
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
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "error.json"
        try:
            return elastic_launch(config, _child)(said, work, arguments)[0]
        except ChildFailedError:
            if not said.exists():
                raise
            told = json.loads(said.read_text())
            raise _KINDS.get(told["exit_code"], BigmodelError)(*told["lines"]) from None


def _child(said: Path, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """The work of one process; what can be told in lines is left in the file `said`."""
    try:
        return work(*arguments)
    except BigmodelError as error:
        content = {"exit_code": error.exit_code, "lines": error.lines}
        with suppress(BigmodelError):
            files.write_json(said, content)
        os._exit(error.exit_code)  # at once: the others wait for this process, not for its reasons


_KINDS: dict[int, type[BigmodelError]] = {
    kind.exit_code: kind for kind in (BigmodelError, UserError, Interrupted, Paused)
}
