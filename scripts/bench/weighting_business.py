"""Part 3: what decisions cost, on two tables whose mistakes have a price of their own.

Savings are 1 - cost / cost of the better constant answer, on the test rows, four seeds. `none`
answers at probability 0.5, and so do cost weights; `bmr` takes the cheaper answer row by row.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import common
import numpy as np
import pandas as pd
from fits import fit, paired, splits
from sklearn.model_selection import StratifiedGroupKFold

import bigmodel
from bigmodel.weighting.costs import Costs

SETTINGS = (
    "model.network.hidden=[32]",
    "trainer.max_epochs=40",
    "monitor=val/log_loss",  # all need probabilities that are true; the decision comes after
    "callbacks.early_stopping.patience=6",
    "data.quality=false",
)
COLUMNS = [f"weighting.{name}=C_{name.upper()}" for name in ("fp", "fn", "tp", "tn")]
DROPPED = "data.drop=[C_FP,C_FN,C_TP,C_TN]"


def bank(folder: Path) -> pd.DataFrame:
    """Calls that sell deposits; `duration`, known only after the call, is left out.

    The published rule: a call costs 1, a missed client a quarter of the interest on the balance.
    """
    table = pd.read_csv(folder / "bank_marketing" / "bankmarketing.csv.gz", sep=";")
    table = table[table["balance"] > 0].drop(columns="duration").reset_index(drop=True)
    lost = np.maximum(1.0, 0.25 * 0.02463333 * table["balance"])
    return table.assign(C_FP=1.0, C_FN=lost, C_TP=1.0, C_TN=0.0)


def churn(folder: Path) -> pd.DataFrame:
    """Customers who leave; the costs of each outcome come with the table."""
    path = folder / "churn_tv_costs" / "churn_tv_subscriptions.csv.gz"
    table = pd.read_csv(path).drop(columns="id").rename(columns={"target": "y"})
    return table.assign(y=table["y"].astype("int64"))


def split_of(name: str, table: pd.DataFrame, seed: int) -> np.ndarray:
    """2:1:1, stratified; equal rows of churn stay together."""
    if name == "bank_marketing":
        return splits(table["y"].to_numpy(), seed)
    features = table[[c for c in table if c.startswith("x")]]
    groups = pd.util.hash_pandas_object(features, index=False)
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=seed)
    names = np.empty(len(table), dtype="<U5")
    order = ("train", "train", "val", "test")
    for part, (_, rows) in zip(order, folds.split(table, table["y"], groups), strict=True):
        names[rows] = part
    return names


def savings(table: pd.DataFrame, bundle: Path) -> float:
    """Of the bundle's own answers to the test rows."""
    test = table[table["split"] == "test"]
    said = bigmodel.load(bundle).predict(test)["prediction"].to_numpy()
    positive = sorted(table["y"].unique())[1]
    columns = {name: test[name].to_numpy(dtype=float) for name in ("C_FP", "C_FN", "C_TP", "C_TN")}
    costs = Costs("C_FP", "C_FN", "C_TP", "C_TN").of(columns, len(test))
    codes = [(values == positive).astype(np.int64) for values in (said, test["y"].to_numpy())]
    return costs.savings(*codes)


def run(arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    for name in ("bank_marketing", "churn_tv_costs"):
        common.need(arguments.data / name)
    seeds = range(1 if arguments.quick else 4)
    rows, means = [], {}
    for name, read in (("bank_marketing", bank), ("churn_tv_costs", churn)):
        table = read(arguments.data)
        found: dict[str, list[float]] = {"none": [], "value_costs": [], "bmr": []}
        for seed in seeds:
            table["split"] = split_of(name, table, seed)
            for strategy, values in found.items():
                costs = [] if strategy == "none" else COLUMNS
                given = [*SETTINGS, DROPPED, f"seed={seed}", f"weighting={strategy}", *costs]
                with tempfile.TemporaryDirectory() as folder:
                    result = fit(table, Path(folder), strategy, *given)
                    values.append(savings(table, result.bundle))
        for strategy, values in found.items():
            line = {"part": f"3 {name}, savings", "strategy": strategy, "seeds": len(seeds)}
            rows.append(line | paired(values, found["none"]))
            means[name, strategy] = statistics.mean(values)
    best = max(means["bank_marketing", s] for s in ("value_costs", "bmr"))
    ahead = means["churn_tv_costs", "bmr"] - means["churn_tv_costs", "none"]
    return rows, [
        common.target("3 bank: savings with costs", best, ">=", 0.45),
        common.target("3 bank: savings without", means["bank_marketing", "none"], "<=", 0.0),
        common.target("3 churn: bmr - none", ahead, ">=", 0.0),
    ]
