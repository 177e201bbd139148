"""Every sync of a run fails once, for want of space and for a broken disk, or is its last act.

The run goes on from a checkpoint over all files of an earlier, whole run: each of its writes has
an older file to lose. What was there when the disk refused must be there, byte for byte, when the
process has ended, and the run resumed then must end with the weights of an undisturbed one.
"""

import errno
import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import warm

SMALL = [
    "data=wine", "data.batch_size=32", "data.quality=false", "model.network.hidden=[16]",
    "trainer.max_epochs=2", "callbacks=ema", "callbacks.checkpoints.every_seconds=0",
]  # fmt: skip
KILL = -signal.SIGKILL
WAYS = {"no space": errno.ENOSPC, "broken disk": errno.EIO, "killed": KILL}


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


def contents(run_dir: Path) -> dict[str, str]:
    """The hash of every whole file; of the log that Lightning appends to, only that it is there."""
    return {
        str(path): "" if path.suffix == ".csv" else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in run_dir.rglob("*")
        if path.is_file() and ".tmp-" not in str(path)
    }


def keep_exports(folder: Path) -> None:
    """Export equal weights to ONNX once: it takes most of a small run, and writes nothing."""
    from safetensors.torch import save

    from bigmodel.compression import engines

    real: Callable[..., bytes] = engines.to_onnx

    def kept(network: Any, spec: Any) -> bytes:
        place = folder / hashlib.sha256(save(network.state_dict())).hexdigest()
        if not place.exists():
            aside = place.with_suffix(f".{os.getpid()}")
            aside.write_bytes(real(network, spec))
            aside.replace(place)
        return place.read_bytes()

    engines.to_onnx = kept  # type: ignore[attr-defined]


def refuse(run_dir: Path, way: int, when: Callable[[int], bool]) -> None:
    """In the process of a run: fail the sync for which `when(number)` holds, and note the files."""
    real, calls = os.fsync, [0]

    def failing(handle: int) -> None:
        calls[0] += 1
        if not when(calls[0]):
            real(handle)
            return
        run_dir.with_suffix(".json").write_text(json.dumps(contents(run_dir)))
        if way == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(way, os.strerror(way))

    os.fsync = failing


def count(run_dir: Path, number: int) -> bool:
    """Fail none, and note how many there were."""
    run_dir.with_suffix(".count").write_text(str(number))
    return False


def go_on(run_dir: Path, before: Callable[[], None] | None = None) -> tuple[int, list[str]]:
    """Resume the run; its exit code and the lines that it said."""
    said = run_dir.with_suffix(".txt")
    code = warm.ended(warm.train([f"trainer.resume={run_dir}"], said, before))
    return code, said.read_text().splitlines()


def prepare(folder: Path) -> tuple[Path, int]:
    """A whole run whose last checkpoint is one of its middle; how many syncs its rest makes."""
    whole, base, tried = folder / "whole", folder / "base", folder / "tried"
    last = base / "checkpoints" / "last.ckpt"
    errors = folder / "errors.txt"
    if warm.ended(warm.train([*SMALL, f"hydra.run.dir={whole}"], errors)):
        raise SystemExit(f"a run failed:\n{errors.read_text()[-2000:]}")
    once_saved = partial(refuse, base, KILL, lambda number: last.exists())
    if warm.ended(warm.train([*SMALL, f"hydra.run.dir={base}"], errors, once_saved)) != KILL:
        raise SystemExit("a run ended before it was killed")
    for path in whole.rglob("*"):
        copy = base / path.relative_to(whole)
        if path.is_file() and not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(path, copy)
    shutil.copytree(base, tried)
    code, said = go_on(tried, partial(refuse, tried, KILL, partial(count, tried)))
    if code or weights(tried) != weights(whole):
        raise SystemExit(f"a resumed run failed, or ended with other weights: {said}")
    return base, int(tried.with_suffix(".count").read_text())


def one(base: Path, expected: str, run_dir: Path, way: int, number: int) -> dict[str, int]:
    """One refusal, and the run that goes on afterwards."""
    shutil.copytree(base, run_dir)
    code, said = go_on(run_dir, partial(refuse, run_dir, way, number.__eq__))
    before, after = json.loads(run_dir.with_suffix(".json").read_text()), contents(run_dir)
    lost = sum(after.get(path) != content for path, content in before.items())
    wrong = corrupt(run_dir)
    as_meant = code == KILL if way == KILL else code == 1 and len(said) == 1
    again, _ = go_on(run_dir)
    same = again == 0 and weights(run_dir) == expected
    left = len(list(run_dir.rglob(".tmp-*")))
    shutil.rmtree(run_dir)
    return {
        "faults": 1, "lost": lost, "corrupt": wrong, "not one line": not as_meant,
        "not identical": not same, "left over": left,
    }  # fmt: skip


def faults(folder: Path, every: int) -> list[dict[str, Any]]:
    """A row for each way in which each `every`-th sync can go wrong."""
    exports = folder / "exports"
    exports.mkdir(parents=True)
    keep_exports(exports)
    base, syncs = prepare(folder)
    expected = weights(folder / "whole")

    def share(which: tuple[int, int]) -> dict[str, int]:
        way, lane = which
        total: dict[str, int] = {}
        for number in range(1 + lane * every, syncs + 1, 2 * every):
            found = one(base, expected, folder / f"{way}-{number}", way, number)
            total = {name: total.get(name, 0) + value for name, value in found.items()}
        return total

    rows = []
    for name, way in WAYS.items():
        found = warm.side_by_side(share, [(way, 0), (way, 1)])
        rows.append({"variant": f"each of {syncs} syncs: {name}", **found})
    return rows
