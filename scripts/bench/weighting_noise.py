"""Part 4: digits with wrong labels in the training rows; validation and test are clean."""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import common
import numpy as np
import pandas as pd
from fits import SMALL, fit, paired
from weighting_digits import table

from bigmodel.train import Result

AUM, CONFIDENT = "quality_aum", "logit_adjust + quality_confident"
BOTH = (
    "weighting=compose",
    "~weighting.sources.value",
    "~weighting.sources.quality",
    "+weighting@weighting.sources.classes=logit_adjust",
    "+weighting@weighting.sources.labels=quality_confident",
)


def noisy(clean: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The table with this share of its training labels replaced by other ones, and which."""
    rng = np.random.default_rng(seed)
    train = np.flatnonzero((clean["split"] == "train").to_numpy())
    wrong = rng.permutation(train)[: round(share * len(train))]
    labels = clean["y"].to_numpy(dtype=str).copy()
    moved = (labels[wrong].astype(int) + rng.integers(1, 10, len(wrong))) % 10
    labels[wrong] = moved.astype(str)
    mark = np.zeros(len(clean), dtype=bool)
    mark[wrong] = True
    return clean.assign(y=labels), mark


def found(result: Result, wrong: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Recall and precision of the issues of a run, and which rows they name."""
    flagged = np.zeros(len(wrong), dtype=bool)
    flagged[pd.read_csv(result.run_dir / "label_issues.csv")["row"]] = True
    hits = (flagged & wrong).sum()
    return float(hits / wrong.sum()), float(hits / max(1, flagged.sum())), flagged


def cleanlab_scores(noisy_table: pd.DataFrame, wrong: np.ndarray) -> dict[str, float]:
    """The same of cleanlab's flags, on probabilities out of fold by its usual recipe."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        print("cleanlab is not installed: not compared with")
        return {}
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    rows = np.flatnonzero((noisy_table["split"] == "train").to_numpy())
    X = noisy_table.drop(columns=["y", "split"]).to_numpy()[rows] / 16
    y = noisy_table["y"].to_numpy(dtype=str)[rows].astype(int)
    model = LogisticRegression(max_iter=300)
    issues = find_label_issues(y, cross_val_predict(model, X, y, cv=5, method="predict_proba"))
    hits = (issues & wrong[rows]).sum()
    return {"recall": hits / wrong.sum(), "precision": hits / max(1, issues.sum())}


def balanced_noise(seed: int) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """40 % wrong labels: balanced accuracies, and what was found."""
    clean = table(seed, 1)
    dirty, wrong = noisy(clean, 0.4, seed)
    given = [*SMALL, f"seed={seed}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = {
            "none": fit(dirty, folder, "none", *given),
            AUM: fit(dirty, folder, "aum", *given, "weighting=quality_aum"),
            "oracle": fit(dirty[~wrong], folder, "oracle", *given),
        }
        recall, precision, _ = found(runs[AUM], wrong)
    scores = {name: run.metrics["test/balanced_accuracy"] for name, run in runs.items()}
    flags = {AUM: {"recall": recall, "precision": precision}}
    return scores, flags | {"cleanlab": cleanlab_scores(dirty, wrong)}


def tailed_noise(seed: int) -> tuple[dict[str, float], float]:
    """20 : 1 with 20 % wrong labels: balanced accuracies, and the clean tail rows flagged."""
    clean = table(seed, 20)
    dirty, wrong = noisy(clean, 0.2, seed)
    given = [*SMALL, f"seed={seed}"]
    with tempfile.TemporaryDirectory() as name:
        runs = {
            "logit_adjust": fit(dirty, Path(name), "la", *given, "weighting=logit_adjust"),
            CONFIDENT: fit(dirty, Path(name), "both", *given, *BOTH),
        }
        _, _, flagged = found(runs[CONFIDENT], wrong)
    train = (clean["split"] == "train").to_numpy()
    rare = clean["y"][train].value_counts().index[-3:]
    tail = train & clean["y"].isin(rare).to_numpy() & ~wrong
    scores = {name: run.metrics["test/balanced_accuracy"] for name, run in runs.items()}
    return scores, float(flagged[tail].mean())


def run(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    seeds = range(1 if arguments.quick else 4)
    even = [balanced_noise(seed) for seed in seeds]
    tailed = [tailed_noise(seed) for seed in seeds]
    rows: list[dict[str, Any]] = []
    for part, control, results in (
        ("4 40 % wrong labels, balanced accuracy", "none", even),
        ("4 20:1, 20 % wrong, balanced accuracy", "logit_adjust", tailed),
    ):
        for name in results[0][0]:
            values, base = ([r[0][of] for r in results] for of in (name, control))
            line = {"part": part, "strategy": name, "seeds": len(seeds)}
            rows.append(line | paired(values, base))
    flags = {
        (name, what): statistics.mean(of[name].get(what, float("nan")) for _, of in even)
        for name in (AUM, "cleanlab")
        for what in ("recall", "precision")
    }
    rows += [
        {"part": f"4 40 % wrong labels, {what} of the flags", "strategy": name, "mean": round(v, 3)}
        for (name, what), v in flags.items()
        if v == v  # not where cleanlab is missing
    ]
    means = {name: statistics.mean(s[name] for s, _ in even) for name in even[0][0]}
    closed = (means[AUM] - means["none"]) / (means["oracle"] - means["none"])
    gain = statistics.mean(s[CONFIDENT] - s["logit_adjust"] for s, _ in tailed)
    return rows, [
        common.target("4 noise: recall of the issues", flags[AUM, "recall"], ">=", 0.85),
        common.target("4 noise: precision of the issues", flags[AUM, "precision"], ">=", 0.85),
        common.target("4 noise: share of the gap closed by AUM", closed, ">=", 0.3),
        common.target("4 tail and noise: confident - logit_adjust", gain, ">=", 0.03),
        common.target(
            "4 tail and noise: clean tail rows flagged",
            statistics.mean(share for _, share in tailed), "<=", 0.05,
        ),
    ]  # fmt: skip
