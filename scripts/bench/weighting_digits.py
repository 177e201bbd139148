"""Part 1: digits, 40 : 1, ten seeds with the classes in another order each time."""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import common
import pandas as pd
from fits import SMALL, fit, paired, splits, thinned
from sklearn.datasets import load_digits

IMBALANCE = 40
STRATEGIES = {
    "none": (),
    "logit_adjust": (),
    "logit_adjust_posthoc": (),
    "inverse": (),
    "sampler": (),
    "ldam_drw": ("weighting.sources.margin.scale=20",),
}


def table(seed: int, factor: float = IMBALANCE) -> pd.DataFrame:
    """The digits with a long tail in their training rows."""
    X, y = load_digits(return_X_y=True, as_frame=True)
    split = splits(y.to_numpy(), seed)
    keep = thinned(y.to_numpy(), split == "train", factor, seed)
    return X.assign(y=y.astype("str"), split=split)[keep]


def run(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    seeds = range(2 if arguments.quick else 10)
    test: dict[str, list[float]] = {name: [] for name in (*STRATEGIES, "chosen on validation")}
    for seed in seeds:
        val = {}
        with tempfile.TemporaryDirectory() as folder:
            for name, more in STRATEGIES.items():
                settings = [*SMALL, f"weighting={name}", f"seed={seed}", *more]
                metrics = fit(table(seed), Path(folder), name, *settings).metrics
                val[name] = metrics["val/macro_f1"]
                test[name].append(metrics["test/macro_f1"])
        test["chosen on validation"].append(test[max(val, key=lambda name: val[name])][-1])
    rows = [
        {"part": "1 digits 40:1, test macro F1", "strategy": name, "seeds": len(seeds)}
        | paired(values, test["none"])
        for name, values in test.items()
    ]
    gains = [a - b for a, b in zip(test["chosen on validation"], test["none"], strict=True)]
    share = sum(gain > 0 for gain in gains) / len(gains)
    return rows, [
        common.target("1 digits: chosen - none", statistics.mean(gains), ">=", 0.05),
        common.target("1 digits: share of seeds won", share, ">=", 0.9),
    ]
