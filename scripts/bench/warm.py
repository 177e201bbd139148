"""`bigmodel train` in processes forked from one that has imported everything.

They are processes as any other, killed and resumed as such; only seconds of imports are saved.
"""

import importlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

USED = (
    "bigmodel.train", "bigmodel.training.run", "bigmodel.training.trainer", "onnxscript",
    "pytorch_lightning.loggers", "sklearn.datasets", "torch.distributed.launcher.api",
    "torch.onnx._internal.exporter._core", "optuna", "bigmodel.search.finish",
    "bigmodel.search.workers", "bigmodel.search.worker", "bigmodel.search.signature",
)  # fmt: skip


def preload() -> None:
    for name in USED:
        importlib.import_module(name)


def train(overrides: list[str], errors: Path, before: Callable[[], None] | None = None) -> int:
    """Start a training in a session of its own; its process id. What it says goes to `errors`."""
    child = os.fork()
    if child:
        return child
    code = 70  # of a bug here
    try:
        os.setsid()
        for number, place in ((1, Path(os.devnull)), (2, errors)):
            os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        if before is not None:
            before()
        code = _command(overrides)
    finally:
        os._exit(code)


def _command(overrides: list[str]) -> int:
    import traceback

    from bigmodel import cli

    try:
        return cli.guarded(lambda: cli.dispatch(["train", *overrides]))
    except Exception:  # noqa: BLE001 (what Python does with it: the user sees a traceback)
        traceback.print_exc()
        return 1


def ended(process: int) -> int:
    """Wait for a process; its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def wait_for(path: Path, process: int) -> None:
    """Until the file is there. The process must not end before."""
    while not path.exists():
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            raise SystemExit(f"the run ended before {path} was there")
        time.sleep(0.001)


def side_by_side(work: Callable[..., dict[str, int]], shares: Sequence[Any]) -> dict[str, int]:
    """The sums of what `work(share)` returns, each in a process of its own."""
    answers = []
    for share in shares:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(read)
                os.write(write, json.dumps(work(share)).encode())
                code = 0
            except SystemExit as error:
                print(error, flush=True)
            finally:
                if code:
                    importlib.import_module("traceback").print_exc()
                os._exit(code)
        os.close(write)
        answers.append((child, read))
    total: dict[str, int] = {}
    for child, read in answers:
        with os.fdopen(read) as answer:
            text = answer.read()
        if ended(child):
            raise SystemExit("a part of the benchmark failed")
        for name, value in json.loads(text).items():
            total[name] = total.get(name, 0) + value
    return total
