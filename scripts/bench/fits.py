"""Fits without their output, and what benchmarks do with figures of several seeds."""

import contextlib
import io
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bigmodel
from bigmodel.train import Result

# a small network on small tables, one cycle of SGD: quick, and the last epochs are the best
SMALL = (
    "model.network.hidden=[64,64]",
    "data.batch_size=32",
    "optimizer=sgd",
    "optimizer.lr=0.05",
    "scheduler=one_cycle",
    "trainer.max_epochs=40",
    "callbacks.early_stopping=null",
    "data.quality=false",
)


def fit(table: pd.DataFrame, folder: Path, name: str, *overrides: str) -> Result:
    """Train on the table, whose columns `y` and `split` are the target and the splits."""
    path = folder / f"{name}.parquet"
    table.to_parquet(path, index=False)
    given = [
        "data=parquet", f"data.path={path}", "data.target=y", "data.cache=false",
        "data.split.by=column", "data.split.column=split", f"hydra.run.dir={folder / name}",
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        return bigmodel.fit([*given, *overrides])


def paired(ours: Sequence[float], control: Sequence[float]) -> dict[str, Any]:
    """Mean, mean difference to the control with its standard error, and the wins."""
    differences = [a - b for a, b in zip(ours, control, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5 if len(ours) > 1 else 0.0
    return {
        "mean": round(statistics.mean(ours), 4),
        "difference": round(statistics.mean(differences), 4),
        "standard_error": round(error, 4),
        "wins": f"{sum(d > 0 for d in differences)}/{len(differences)}",
    }


def splits(labels: np.ndarray, seed: int) -> np.ndarray:
    """2:1:1, stratified: the name of each row's split."""
    rng = np.random.default_rng(seed)
    names = np.empty(len(labels), dtype="<U5")
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        edges = [len(rows) // 2, len(rows) * 3 // 4]
        for name, part in zip(("train", "val", "test"), np.split(rows, edges), strict=True):
            names[part] = name
    return names


def thinned(labels: np.ndarray, train: np.ndarray, factor: float, seed: int) -> np.ndarray:
    """Which rows stay when the training rows of the classes, in a random order, fall off.

    The class of rank r keeps n_max * factor^(-r / (C - 1)) rows, at least one.
    """
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.unique(labels))
    most = min((train & (labels == c)).sum() for c in classes)
    keep = ~train
    for rank, label in enumerate(classes):
        rows = rng.permutation(np.flatnonzero(train & (labels == label)))
        keep[rows[: max(1, int(most * factor ** (-rank / (len(classes) - 1))))]] = True
    return keep
