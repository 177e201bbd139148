"""Real trainings killed at random moments and resumed; every write of a run refused once.

Kills: half of one process, half of two (gloo), each with averaged weights, early stopping and a
schedule; after the kill every checkpoint must load, and the resumed run must end with the very
weights of an undisturbed one. Faults: the n-th sync of a run fails, for each n, without space and
with a broken disk; no file that was there may be lost, and the resumed run must end the same.
"""

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
SETTINGS = [
    "data=digits", "data.batch_size=32", "data.quality=false", "model.network.hidden=[32]",
    "trainer.max_epochs=4", "callbacks=ema", "callbacks.early_stopping.patience=3",
    "callbacks.checkpoints.every_seconds=0", "scheduler=cosine",
]  # fmt: skip
TWO = ["trainer=ddp", "trainer.accelerator=cpu"]
SMALL = ["data=wine", "trainer.max_epochs=2", "data.batch_size=32"]
FAULTS = {errno.ENOSPC: 1, errno.EIO: 4}  # and for which of the syncs: each, every fourth


def start(*overrides: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bigmodel.train", *overrides],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"a run failed with {process.returncode}:\n{errors[-2000:]}")


def weights(run_dir: Path) -> str:
    return hashlib.sha256((run_dir / "bundle" / "model.safetensors").read_bytes()).hexdigest()


def corrupt(run_dir: Path) -> int:
    """How many checkpoints cannot be loaded."""
    from bigmodel.errors import BigmodelError
    from bigmodel.training import checkpoints

    wrong = 0
    for path in run_dir.glob("checkpoints/*.ckpt"):
        try:
            checkpoints.load(path)
        except BigmodelError:
            wrong += 1
    return wrong


def killed(run_dir: Path, given: list[str], after: float) -> int:
    """Kill a run `after` seconds from its first checkpoint; how many it left corrupt."""
    process = start(*given, f"hydra.run.dir={run_dir}")
    while process.poll() is None and not (run_dir / "checkpoints" / "last.ckpt").exists():
        time.sleep(0.005)
    time.sleep(after)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return corrupt(run_dir)


def kills(folder: Path, given: list[str], count: int, rng: random.Random) -> dict[str, Any]:
    began = time.perf_counter()
    finish(start(*given, f"hydra.run.dir={folder / 'undisturbed'}"))
    expected = weights(folder / "undisturbed")
    last = (folder / "undisturbed" / "checkpoints" / "last.ckpt").stat().st_mtime
    first = (folder / "undisturbed" / "splits.parquet").stat().st_mtime
    same = wrong = early = 0
    for number in range(count):
        run_dir = folder / str(number)
        wrong += killed(run_dir, given, rng.uniform(0, max(0.1, last - first)))
        early += not (run_dir / "metrics.json").exists()
        finish(start(f"trainer.resume={run_dir}"))
        same += weights(run_dir) == expected
    return {
        "kills": count, "before the end": early, "identical": same, "corrupt": wrong,
        "seconds": round(time.perf_counter() - began),
    }  # fmt: skip


def contents(run_dir: Path) -> dict[Path, str]:
    """The hash of every file of a run."""
    files = [path for path in run_dir.rglob("*") if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def in_child(work: Any, *arguments: Any) -> Any:
    """What `work` returns in a forked process: the imports are paid once."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            os.write(write, json.dumps(work(*arguments)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


def fit(run_dir: str, fail_at: int, code: int) -> dict[str, Any]:
    """Fit, or go on; the sync number `fail_at` fails. How many there were, and what was said."""
    import bigmodel
    from bigmodel.errors import BigmodelError
    from bigmodel.training import resume

    real, calls, lines = os.fsync, [0], []

    def failing(handle: int) -> None:
        calls[0] += 1
        if calls[0] == fail_at:
            raise OSError(code, os.strerror(code))
        real(handle)

    os.fsync = failing
    started = (Path(run_dir) / ".hydra").exists()
    given = resume.overrides([f"trainer.resume={run_dir}"]) if started else [
        *SETTINGS, *SMALL, f"hydra.run.dir={run_dir}",
    ]  # fmt: skip
    try:
        bigmodel.fit(given)
    except BigmodelError as error:
        lines = list(error.lines)
    return {"calls": calls[0], "lines": lines}


def faults(folder: Path, every: int) -> dict[str, Any]:
    """Each sync of a run, and of its repetition over a finished run, fails once."""
    whole = in_child(fit, str(folder / "whole"), 0, 0)
    expected = weights(folder / "whole")
    lost = unsaid = tried = other = 0
    for code, step in FAULTS.items():
        for number in range(1, whole["calls"] + 1, every * step):
            run_dir = folder / f"{code}-{number}"
            said = in_child(fit, str(run_dir), number, code)["lines"]
            tried, unsaid = tried + 1, unsaid + (len(said) != 1)
            before = contents(run_dir)
            lost += corrupt(run_dir)
            in_child(fit, str(run_dir), 0, 0)
            after = contents(run_dir)  # a file may have been set aside, under another name
            lost += sum(not path.exists() and before[path] not in after.values() for path in before)
            other += weights(run_dir) != expected
    return {"faults": tried, "not one line": unsaid, "lost": lost, "other weights": other}


def main() -> None:
    import common

    arguments = common.arguments(__doc__)
    count, every = (2, 20) if arguments.quick else (20, 1)
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            {"variant": "one process", **kills(folder / "one", SETTINGS, count, rng)},
            {"variant": "two processes", **kills(folder / "two", [*SETTINGS, *TWO], count, rng)},
            {"variant": "refused writes", **faults(folder / "faults", every)},
        ]
    one, two, refused = rows
    identical = one["identical"] + two["identical"]
    targets = [
        common.target("kills: bit-identical after resume", identical, ">=", 2 * count),
        common.target("kills: corrupt checkpoints", one["corrupt"] + two["corrupt"], "<=", 0),
        common.target("refused writes: files lost", refused["lost"], "<=", 0),
        common.target("refused writes: other weights", refused["other weights"], "<=", 0),
    ]
    common.finish("crash", rows, targets, arguments)


if __name__ == "__main__":
    main()
