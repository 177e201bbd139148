"""What our models reach on four real tables, beside boosted trees of other libraries.

All get the same splits, drawn anew for each seed: 64 : 16 : 20, but for adult, whose test part is
the official one (then 80 : 20). Repeated rows of the wine table are left out, and `duration` of
the bank's, which is known only after the call. Our fits average their weights (callbacks=ema);
else they have their defaults, or the settings of a preset where one is named. `--part` runs one
table; `--peer-python` (several) names environments with lightgbm, xgboost, catboost, scikit-learn
or pytorch-tabular: see `peer_quality.py`. More is better for accuracy and AUROC, less for RMSE.
"""

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import pandas as pd
from sklearn.model_selection import train_test_split

import bigmodel

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Set:
    """A table, its target, the metric that decides, and our models to fit on it."""

    file: str
    target: str
    metric: str
    separator: str = ","
    test_file: str | None = None
    drop: tuple[str, ...] = ()
    seeds: int = 3
    preset_seeds: int = 3
    networks: tuple[str, ...] = ("mlp_plr",)
    preset: str | None = None


SETS = {
    "adult": Set(
        "adult/adult_train.csv.gz",
        "income",
        "accuracy",
        test_file="adult/adult_test.csv.gz",
        preset_seeds=5,
        networks=(),
        preset="adult",
    ),
    "california_housing": Set(
        "california_housing/housing.csv.gz",
        "median_house_value",
        "rmse",
        networks=("mlp_ple",),
        preset="california",
    ),
    "bank_marketing": Set(
        "bank_marketing/bankmarketing.csv.gz", "y", "auroc", separator=";", drop=("duration",)
    ),
    "wine_quality": Set(
        "wine_quality/wine_quality.csv.gz", "quality", "rmse", networks=("mlp_plr", "tabm")
    ),
}
PARTS = dict(enumerate(SETS, 1))
Found = dict[str, list[dict[str, float]]]  # model: what each seed gave


def table(given: Set, data: Path, seed: int, folder: Path) -> Path:
    """The table with a column `split`, as a CSV file."""
    frame = pd.read_csv(common.need(data / given.file), sep=given.separator)
    frame = frame.drop(columns=list(given.drop)).drop_duplicates(ignore_index=True)
    test = None
    if given.test_file is not None:
        test = pd.read_csv(common.need(data / given.test_file), sep=given.separator)
    like = None if given.metric == "rmse" else given.target
    if test is None:
        frame, test = halves(frame, 0.2, seed, like)
    train, val = halves(frame, 0.2, seed + 1000, like)
    parts = {"train": train, "val": val, "test": test}
    whole = pd.concat([part.assign(split=name) for name, part in parts.items()])
    path = folder / "table.csv"
    whole.to_csv(path, index=False)
    return path


def halves(
    frame: pd.DataFrame, share: float, seed: int, like: str | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    stratify = None if like is None else frame[like]
    first, second = train_test_split(frame, test_size=share, random_state=seed, stratify=stratify)
    return first, second


def choices(given: Set, quick: bool) -> dict[str, list[str]]:
    """The overrides of each of our models."""
    found = {model: ["data=csv", f"model={model}"] for model in ("mlp", *given.networks, "gbdt")}
    found["auto"] = ["data=csv", "model=auto", *(["model.budget_seconds=5"] if quick else [])]
    if given.preset:
        found[f"experiment={given.preset}"] = [f"experiment={given.preset}"]
    return found


def ours(name: str, path: Path, seed: int, quick: bool, folder: Path) -> Found:
    """Our models' metrics and seconds on one split; of the last seeds only the preset's."""
    given = SETS[name]
    settings = [f"data.path={path}", f"data.target={given.target}", f"seed={seed}"]
    settings += ["data.split.by=column", "data.split.column=split", "callbacks=ema"]
    settings += ["data.task=regression"] if given.metric == "rmse" else []
    settings += ["trainer.max_epochs=1"] if quick else []
    found: Found = {}
    for model, chosen in choices(given, quick).items():
        if seed >= given.seeds and not model.startswith("experiment="):
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        silent = contextlib.redirect_stdout(io.StringIO())
        with tempfile.TemporaryDirectory(dir=folder) as place, silent:
            metrics = bigmodel.fit([*chosen, *settings, f"hydra.run.dir={place}/run"]).metrics
        value = metrics[f"test/{given.metric}"]
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        also = {key: metrics[f"test/{key}"] for key in ("auroc",) if f"test/{key}" in metrics}
        found[model] = [also | {given.metric: value} | spent]
        print(f"{name} seed {seed} {model}: {value:.5g} ({spent['cpu']:.0f} CPU-s)", flush=True)
    return found


def peers(given: Set, path: Path, seed: int, pythons: list[Path]) -> Found:
    """The same of the peers, each library in the first environment that has it."""
    found: Found = {}
    for python in pythons:
        command = [
            python,
            HERE / "peer_quality.py",
            path,
            given.target,
            given.metric,
            str(seed),
            *found,
        ]
        done = subprocess.run(
            list(map(str, command)), stdout=subprocess.PIPE, check=True, cwd=path.parent
        )  # one of them leaves files where it is started
        for model, figures in json.loads(done.stdout.splitlines()[-1]).items():
            found[model] = [figures]
    return found


def measured(name: str, arguments: argparse.Namespace) -> tuple[Found, set[str]]:
    """All models of one table, over its seeds; and the names of those that are peers."""
    given, found, others = SETS[name], Found(), set[str]()
    for seed in range(1 if arguments.quick else max(given.seeds, given.preset_seeds)):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            path = table(given, arguments.data, seed, folder)
            pythons = arguments.peer_python or [] if seed < given.seeds else []
            theirs = peers(given, path, seed, pythons)
            others |= set(theirs)
            mine = ours(name, path, seed, arguments.quick, folder)
            for model, figures in (mine | theirs).items():
                found.setdefault(model, []).extend(figures)
    return found, others


def lines(name: str, found: Found, others: set[str]) -> list[dict[str, Any]]:
    """A row for each model."""
    metric, rows = SETS[name].metric, []
    for model, runs in found.items():
        row: dict[str, Any] = {"table": name, "model": model, "seeds": len(runs), "metric": metric}
        row["peer"] = "yes" if model in others else ""
        values = [run[metric] for run in runs]
        row["mean"] = round(statistics.mean(values), 4)
        row["sd"] = round(statistics.stdev(values), 4) if len(values) > 1 else None
        if metric != "auroc" and "auroc" in runs[0]:
            row["auroc"] = round(statistics.mean(run["auroc"] for run in runs), 4)
        for spent in ("wall", "cpu"):
            row[f"{spent}_s"] = round(statistics.median(run[spent] for run in runs), 1)
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Summary:
    """One table in the figures that the targets ask for; differences are signed: more is better."""

    best: dict[str, float]  # of "network", "ours", "peer": the mean, with its sign
    beaten: bool | None  # ours not behind the best peer by more than the spread of the difference
    auto: float | None  # how far, relatively, `auto` is behind the best peer
    closed: float | None  # of the gap from the plain perceptron to the best trees, if there is one


def summary(name: str, found: Found, others: set[str]) -> Summary:
    given = SETS[name]
    sign = -1 if given.metric == "rmse" else 1
    signed = {m: [sign * run[given.metric] for run in runs] for m, runs in found.items()}
    means = {model: statistics.mean(values) for model, values in signed.items()}
    mine = [model for model in means if model not in others]
    networks = [model for model in mine if model not in ("gbdt", "auto", "mlp")]
    best = {
        "network": max(networks, key=means.__getitem__),
        "ours": max(mine, key=means.__getitem__),
    }
    beaten = auto = closed = None
    if others:
        best["peer"] = peer = max(others, key=means.__getitem__)
        behind = [p - o for p, o in zip(signed[peer], signed[best["ours"]], strict=False)]
        spread = statistics.stdev(behind) if len(behind) > 1 else 0.0
        beaten = statistics.mean(behind) <= spread
        auto = (means[peer] - means["auto"]) / abs(means[peer])
        trees = max(means[model] for model in (*others, "gbdt") if model != "pytorch_tabular")
        if trees > means["mlp"]:
            closed = (means[best["network"]] - means["mlp"]) / (trees - means["mlp"])
    return Summary({kind: means[model] for kind, model in best.items()}, beaten, auto, closed)


def targets(found: dict[str, tuple[Found, set[str]]]) -> list[dict[str, Any]]:
    """Those that the tables at hand decide."""
    sums = {name: summary(name, *figures) for name, figures in found.items()}
    told = []
    if "adult" in sums:
        preset = statistics.mean(run["accuracy"] for run in found["adult"][0]["experiment=adult"])
        told.append(common.target("adult: a network, accuracy", preset, ">=", 0.868))
    if "california_housing" in sums:
        rmse = -sums["california_housing"].best["ours"]
        told.append(common.target("california: best of ours, RMSE", rmse, "<=", 43_000))
    beaten = [s.beaten for s in sums.values() if s.beaten is not None]
    if beaten:
        wanted = 3 if len(beaten) == len(SETS) else 1
        told.append(common.target("tables not behind the best peer", sum(beaten), ">=", wanted))
    for name, of in sums.items():
        if of.auto is not None:
            told.append(common.target(f"{name}: auto behind best peer", of.auto, "<=", 0.01))
        if of.closed is not None:
            told.append(common.target(f"{name}: gap closed by a network", of.closed, ">=", 0.7))
    return told


def main() -> None:
    arguments = common.arguments(__doc__, part=tuple(PARTS), peer=True)
    names = [PARTS[arguments.part]] if arguments.part else list(SETS)
    found = {name: measured(name, arguments) for name in names}
    rows = [row for name, figures in found.items() for row in lines(name, *figures)]
    common.finish("quality", rows, targets(found), arguments)


if __name__ == "__main__":
    main()
