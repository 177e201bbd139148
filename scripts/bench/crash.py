"""Real trainings killed at random moments and resumed; every write of a run refused once.

Kills: half of one process, half of two (gloo), each with averaged weights, early stopping and a
schedule; 4 of 5 in the fit, the others while what comes after it is made and written. After the
kill every checkpoint must load, and the resumed run must end with the very weights of an
undisturbed one. For the refused writes see faults.py.
"""

import os
import random
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import warm
from faults import corrupt, faults, weights

SETTINGS = [
    "data=digits", "data.batch_size=32", "data.quality=false", "model.network.hidden=[32]",
    "trainer.max_epochs=4", "callbacks=ema", "callbacks.early_stopping.patience=3",
    "callbacks.checkpoints.every_seconds=0", "scheduler=cosine",
]  # fmt: skip
TWO = ["trainer=ddp", "trainer.accelerator=cpu"]
IN_FIT = 0.8  # of the kills
TRIES = 3  # a run may end before it is killed, when the machine was slower while it was timed


def run(given: list[str], errors: Path) -> None:
    if warm.ended(warm.train(given, errors)):
        raise SystemExit(f"a run failed:\n{errors.read_text()[-2000:]}")


def spans(run_dir: Path) -> tuple[float, float]:
    """Seconds from the start of a fit to its end, and to the end of the run."""
    names = ("splits.parquet", "checkpoints/last.ckpt", "metrics.json")
    start, fitted, end = ((run_dir / name).stat().st_mtime for name in names)
    return fitted - start, end - start


def killed(run_dir: Path, given: list[str], after: float) -> bool:
    """Kill a run so many seconds from the start of its fit; False when it had ended before."""
    process = warm.train([*given, f"hydra.run.dir={run_dir}"], run_dir.with_suffix(".txt"))
    warm.wait_for(run_dir / "splits.parquet", process)
    time.sleep(after)
    os.killpg(process, signal.SIGKILL)
    return warm.ended(process) == -signal.SIGKILL and not (run_dir / "metrics.json").exists()


def one(folder: Path, given: list[str], moment: random.Random) -> dict[str, int]:
    """One kill, and the run that goes on afterwards."""
    from bigmodel.training import checkpoints

    fitted, end = spans(folder / "undisturbed")
    for number in range(TRIES):
        run_dir = folder / f"{moment.random()}-{number}"
        fit = moment.random() < IN_FIT
        if killed(
            run_dir, given, moment.uniform(0, fitted) if fit else moment.uniform(fitted, end)
        ):
            break
    else:
        raise SystemExit("the runs ended before they could be killed")
    last = run_dir / "checkpoints" / "last.ckpt"
    wrong = corrupt(run_dir)
    trained = not wrong and last.exists() and checkpoints.is_finished(last)
    code = warm.ended(warm.train([f"trainer.resume={run_dir}"], run_dir.with_suffix(".txt")))
    same = code == 0 and weights(run_dir) == weights(folder / "undisturbed")
    return {
        "kills": 1, "in the fit": not trained, "with a checkpoint": last.exists(),
        "corrupt": wrong, "not identical": not same,
        "left over": len(list(run_dir.rglob(".tmp-*"))),
    }  # fmt: skip


def share(folder: Path, given: list[str], which: tuple[int, int]) -> dict[str, int]:
    lane, count = which
    moment, total = random.Random(lane), dict[str, int]()
    for _ in range(count):
        found = one(folder, given, moment)
        total = {name: total.get(name, 0) + value for name, value in found.items()}
    return total


def kills(folder: Path, name: str, given: list[str], count: int) -> dict[str, Any]:
    folder.mkdir()
    run([*given, f"hydra.run.dir={folder / 'undisturbed'}"], folder / "errors.txt")
    lanes = [(0, count - count // 2), (1, count // 2)]
    return {"variant": name, **warm.side_by_side(partial(share, folder, given), lanes)}


def main() -> None:
    import common

    arguments = common.arguments(__doc__)
    count, every = (2, 10) if arguments.quick else (20, 1)
    os.environ["OMP_NUM_THREADS"] = "1"
    warm.preload()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            kills(folder / "one", "kill -9, one process", SETTINGS, count),
            kills(folder / "two", "kill -9, two processes", [*SETTINGS, *TWO], count),
        ]
        refused = faults(folder / "faults", every)
    same = sum(row["kills"] - row["not identical"] for row in rows)
    wrong = sum(row["corrupt"] for row in [*rows, *refused])
    targets = [
        common.target("bit-identical after resume", same, ">=", 2 * count),
        common.target("corrupt checkpoints", wrong, "<=", 0),
        common.target(
            "files lost to injected write faults", sum(r["lost"] for r in refused), "<=", 0
        ),
    ]
    common.finish("crash", [*rows, *refused], targets, arguments)


if __name__ == "__main__":
    main()
