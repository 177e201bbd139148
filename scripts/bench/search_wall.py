"""Searches against the clock, on one core each: ours, random, Optuna's plain loop, Ray Tune.

All train with the same function, on the same space. The target is what random search ends with,
the median over seeds; a search that does not get there counts with the whole time.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
from peer_search import EPOCHS, FIRST

SPACE = [
    "search.presets=false", "optimizer.lr=tag(log,interval(1e-4,2e-2))",
    "optimizer.weight_decay=tag(log,interval(1e-4,0.3))",
    "model.network.dropout=interval(0,0.5)", "data.batch_size=64,128,256,512",
]  # fmt: skip
COMMON = [
    f"trainer.max_epochs={EPOCHS}", "callbacks.early_stopping=null", "data.quality=false",
    "model.network.hidden=[64]", "callbacks.checkpoints.every_seconds=3600",
]  # fmt: skip
SECONDS, SEEDS = 60.0, 3
HERE = Path(__file__).resolve().parent


def sets(data: Path, folder: Path) -> dict[str, list[str]]:
    import pandas as pd

    adult = pd.read_csv(common.need(data / "adult" / "adult_train.csv.gz"), skipinitialspace=True)
    adult.drop(columns="fnlwgt").sample(8000, random_state=0).to_csv(folder / "adult.csv")
    return {
        "digits": ["data=digits"],
        "adult": ["data=csv", f"data.path={folder / 'adult.csv'}", "data.target=income"],
    }


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(HERE), str(HERE.parents[1]), *[p for p in sys.path if p]])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def ours(option: str, settings: list[str], seconds: float, seed: int) -> list[dict[str, float]]:
    """Complete trials of `search=OPTION` until it is killed, as time has run out."""
    from bigmodel.search.record import Record, status

    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / "study"
        given = [*settings, *SPACE, f"search={option}", "search.n_trials=100000", f"seed={seed}"]
        given += [f"hydra.sweep.dir={place}", "search.study=study"]
        given += [f"search.rungs.first={FIRST}"] if option == "asha" else []
        command = [sys.executable, "-m", "bigmodel.train", "-m", *given]
        began = time.time()
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            _, said = process.communicate(timeout=seconds)
            raise SystemExit(f"the search ended before its time:\n{said}")
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        trials = Record(place, None, "study", ["max"]).trials()
        return [
            {"seconds": trial.datetime_complete.timestamp() - began, "value": trial.values[0]}
            for trial in trials
            if status(trial) == "complete"
        ]


def peer(
    python: str, tool: str, settings: list[str], seconds: float, seed: int
) -> list[dict[str, float]]:
    command = [python, str(HERE / "peer_search.py"), tool, json.dumps(settings)]
    done = subprocess.run(
        [*command, str(seconds), str(seed)], env=environment(), capture_output=True, text=True,
        check=False, timeout=3 * seconds + 120,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"{tool} gave nothing:\n{done.stderr[-2000:]}")
    found = [json.loads(line) for line in lines]
    return [one for one in found if one["seconds"] <= seconds]


def race(given: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    seconds, seeds = (25.0, 1) if given.quick else (SECONDS, SEEDS)
    lines: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for table, source in sets(given.data, Path(name)).items():
            settings = [*source, *COMMON]
            runs: dict[str, list[list[dict[str, float]]]] = {}
            for seed in range(seeds):  # in turns
                for tool in ("random", "asha"):
                    runs.setdefault(tool, []).append(ours(tool, settings, seconds, seed))
                every = [("Optuna's loop", sys.executable, "optuna")]
                if given.peer_python:
                    every.append(("Ray Tune", str(given.peer_python[0]), "ray"))
                for tool, python, word in every:
                    with_seed = [*settings, f"seed={seed}"]
                    found = peer(python, word, with_seed, seconds, seed)
                    runs.setdefault(tool, []).append(found)
            found_lines = _lines(table, runs, seconds)
            lines += found_lines
            by = {line["tool"]: line["s to target"] for line in found_lines}
            targets += [
                common.target(f"{table}: seconds, {tool} by asha", by[tool] / by["asha"], ">=", 1)
                for tool in by
                if tool != "asha"
            ]  # fmt: skip
    return lines, targets


def _lines(
    table: str, runs: dict[str, list[list[dict[str, float]]]], seconds: float
) -> list[dict[str, Any]]:
    ends = [max((one["value"] for one in run), default=0.0) for run in runs["random"]]
    target = statistics.median(ends)
    found = []
    for tool, every in runs.items():
        reached = [_reached(run, target, seconds) for run in every]
        best = [max((one["value"] for one in run), default=0.0) for run in every]
        found.append(
            {
                "table": table, "tool": tool, "seeds": len(every), "target": round(target, 4),
                "s to target": round(statistics.mean(reached), 1),
                "best": round(statistics.mean(best), 4),
                "complete": statistics.median(len(run) for run in every),
            }
        )  # fmt: skip
    return found


def _reached(run: list[dict[str, float]], target: float, seconds: float) -> float:
    return min((one["seconds"] for one in run if one["value"] >= target), default=seconds)
