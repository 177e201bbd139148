"""What a search adds to a trial of about a second, and what two workers do on two cores."""

import contextlib
import io
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

SETTINGS = [
    "data=digits", "data.quality=false", "data.batch_size=64", "callbacks.early_stopping=null",
]  # fmt: skip
SECONDS = 1.0  # of a trial
TRIALS, ROUNDS = 4, 5
SCALED = 24


class Unwatched:
    """A trial of nobody's search: the fit and its validation, on a table that was read before."""

    def callbacks(self) -> list[Any]:
        return []

    def prepare(self, data: Any, cfg: Any) -> None:
        from bigmodel.search import shared

        shared.prepare(data, cfg)

    def measure(self, model: Any, data: Any) -> dict[str, float]:
        return {}


def one(cfg: Any, directory: Path) -> Any:
    from bigmodel.train import train

    return train(cfg, directory, Unwatched())


@contextlib.contextmanager
def quiet() -> Any:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def bare(settings: list[str], folder: Path, count: int) -> float:
    """Seconds a trial of the training function in a loop; its configs are composed before."""
    from bigmodel.config import compose as composing

    with composing.hydra() as made, quiet():
        configs = [
            composing.compose_in(made, "train", [*settings, f"seed={n}"]) for n in range(count)
        ]
        began = time.perf_counter()
        for number, cfg in enumerate(configs):
            one(cfg, folder / str(number))
        return (time.perf_counter() - began) / count


def searched(settings: list[str], folder: Path, count: int) -> float:
    """Seconds from the first trial's start to the last one's end, a trial."""
    from bigmodel import cli

    space = ["search=random", "search.presets=false", f"search.n_trials={count}"]
    given = ["-m", *settings, *space, "seed=range(8)", f"hydra.sweep.dir={folder}"]
    with quiet():
        cli.dispatch(["train", *given, "search.study=bench"])
    return seconds_of(folder) / count


def seconds_of(place: Path) -> float:
    from bigmodel.search.record import Record

    trials = Record(place, None, "bench", ["max"]).trials()
    begun = min(trial.datetime_start for trial in trials)
    return (max(trial.datetime_complete for trial in trials) - begun).total_seconds()


def launched(settings: list[str], folder: Path, count: int) -> float:
    """Hydra's own sweeper and launcher, with the same training function."""
    from bigmodel.config import compose as composing
    from bigmodel.config.app import Job

    with composing.hydra() as made, quiet():
        seeds = ",".join(str(number) for number in range(count))
        began = time.perf_counter()
        made.multirun(
            "train", Job("train", one), [*settings, f"seed={seeds}", f"hydra.sweep.dir={folder}"],
            with_log_configuration=False,
        )  # fmt: skip
        return (time.perf_counter() - began) / count


def apart(settings: list[str], folder: Path) -> float:
    """A process of its own for a trial."""
    code = (
        "import sys, pathlib, json, search_overhead as s;"
        f"s.bare(json.loads({json.dumps(json.dumps(settings))}), pathlib.Path({str(folder)!r}), 1)"
    )
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1])])
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})
    return time.perf_counter() - began


def ratio(values: list[float], by: list[float]) -> float:
    return statistics.median(v / w for v, w in zip(values, by, strict=True))


def overhead(given: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rounds = 1 if given.quick else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare([*SETTINGS, "trainer.max_epochs=2"], folder / "warm", 1)
        twenty = bare([*SETTINGS, "trainer.max_epochs=20"], folder / "calibrate", 1)
        settings = [*SETTINGS, f"trainer.max_epochs={max(2, round(20 * SECONDS / twenty))}"]
        found: dict[str, list[float]] = {"a Python loop": [], "search": [], "Hydra's launcher": [],
                                         "a process each": []}  # fmt: skip
        for turn in range(rounds):  # in alternation: the machine is not always as fast
            found["a Python loop"].append(bare(settings, folder / f"bare{turn}", TRIALS))
            found["search"].append(searched(settings, folder / f"search{turn}", TRIALS))
            found["Hydra's launcher"].append(launched(settings, folder / f"hydra{turn}", TRIALS))
            found["a process each"].append(apart(settings, folder / f"apart{turn}"))
    loop = found["a Python loop"]
    lines = [
        {
            "way": way, "rounds": rounds, **common.spread(values, "s a trial"),
            "by the loop": round(ratio(values, loop), 3),
        }
        for way, values in found.items()
    ]  # fmt: skip
    added = lines[1]["by the loop"] - 1
    return lines, [common.target("added to a trial of a second", added, "<=", 0.10)]


def scaling(given: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    count, rounds = (6, 1) if given.quick else (SCALED, 2)
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        for turn in range(rounds):
            for workers in rates:
                place = Path(name) / f"{workers}-{turn}"
                space = ["search=random", "search.presets=false", f"search.n_trials={count}"]
                command = [sys.executable, "-m", "bigmodel.train", "-m", *SETTINGS, *space,
                           "trainer.max_epochs=40", "seed=range(8)", "search.study=bench",
                           f"hydra.sweep.dir={place}", f"search.workers={workers}"]  # fmt: skip
                env = {**os.environ, "OMP_NUM_THREADS": "1"}
                subprocess.run(command, check=True, capture_output=True, env=env)
                rates[workers].append(60 * count / seconds_of(place))
    lines = [
        {"way": f"{workers} workers", "rounds": rounds, **common.spread(values, "trials a minute")}
        for workers, values in rates.items()
    ]
    return lines, [
        common.target("trials a minute: 2 workers by 1", ratio(rates[2], rates[1]), ">=", 1.6)
    ]
