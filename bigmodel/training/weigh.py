"""Weighting as a part of a run: fit the plan on the training rows, say what it does, keep it."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bigmodel import files
from bigmodel.data.prepare import Prepared, write_splits
from bigmodel.data.splits import TRAIN
from bigmodel.data.tables import TableData
from bigmodel.models.build import build, made_by
from bigmodel.models.networks.mlp import MLP
from bigmodel.weighting.plan import FEW_EFFECTIVE, Issues, Plan, effective_rows
from bigmodel.weighting.probe import Probe
from bigmodel.weighting.rows import Rows
from bigmodel.weighting.strategy import Strategy

ESTIMATE, ISSUES = "quality.parquet", "label_issues.csv"


def needs(strategy: Strategy | None) -> dict[str, tuple[str, ...]]:
    """The columns that the strategy needs, as arguments of the data."""
    if strategy is None:
        return {}
    return {"side": strategy.columns, "request": strategy.request_columns}


def rows_of(prepared: Prepared, everywhere: bool = False) -> Rows:
    """What a strategy may know of a table; with `everywhere`, metrics will be weighted, too."""
    names = prepared.side_names
    return Rows(
        target=prepared.target,
        classes=prepared.schema.target.classes,
        train=prepared.rows(TRAIN),
        columns={name: prepared.side[:, index] for index, name in enumerate(names)},
        weighed=np.flatnonzero(prepared.split >= 0) if everywhere else None,
    )


def probe_network(network: Any) -> Any:
    """What strategies train to look at the rows: the run's network, or a plain perceptron.

    The perceptron where there are several networks, and where making one grows it on all labels:
    it would know those that it should be asked to doubt.
    """
    if network is None or getattr(made_by(network), "grown", False):
        return partial(MLP, norm="layer", dropout=0.2)
    return network


def plan_for(strategy: Strategy | None, data: TableData, network: Any, run_dir: Path) -> Plan:
    """The strategy fitted on the table's training rows; `network` makes networks as the run's.

    A resumed run reads its estimate of label errors, which takes a training, from `run_dir`.
    """
    if strategy is None:
        return Plan()
    prepared = data.prepared
    rows = rows_of(prepared, strategy.evaluate_weighted)
    tensors = data.tensors()
    probe = Probe(
        network=partial(build, network, data.spec),
        inputs=tensors.inputs,
        labels=tensors.target.long() if rows.classes else torch.zeros(0),
        seed=data.settings.seed,
        batch_size=data.batch_size,
    )
    known = _read_estimate(run_dir / ESTIMATE, rows)
    plan = strategy.fit(replace(rows, probe=probe, known=known))
    return replace(plan, evaluate_weighted=strategy.evaluate_weighted)


def lines(plan: Plan, rows: Rows) -> list[str]:
    """What the plan does, for reading."""
    told = [f"weighting: {note}" for note in plan.notes]
    if plan.weight is None:
        return told
    weight = plan.weight[rows.train]
    effective = effective_rows(weight)
    share = effective / len(weight)
    told.append(
        f"weighting: row weights from {weight.min():.3g} to {weight.max():.3g}; effective sample "
        f"size {effective:,.0f} of {len(weight):,} rows ({share:.0%})"
    )
    if share < FEW_EFFECTIVE:
        told.append(
            f"warning: less than {FEW_EFFECTIVE:.0%} of the rows carry the training; soften the "
            "weights (a lower power, a lower clip), or expect the result to vary with the seed"
        )
    return told


def keep(plan: Plan, data: TableData, run_dir: Path) -> None:
    """Write the weight of every row, and the label errors for a person to review."""
    prepared = data.prepared
    rows = rows_of(prepared)
    weight = np.ones(len(rows.target))
    if plan.weight is not None:
        of = slice(None) if plan.evaluate_weighted else rows.train
        weight[of] = plan.weight[of]
    write_splits(prepared, weight, run_dir / "splits.parquet")
    if plan.issues is not None:
        _write_issues(plan.issues, rows, run_dir)


def _write_issues(issues: Issues, rows: Rows, run_dir: Path) -> None:
    names = np.array(rows.classes)
    table = pd.DataFrame(
        {
            "row": rows.train,
            "label": names[rows.target[rows.train]],
            "suggested": names[issues.suggested],
            "score": issues.score,
            "flagged": issues.flagged,
            "made_by": issues.made_by,
        }
    )
    with files.atomic(run_dir / ESTIMATE) as file:
        table.to_parquet(file, index=False)
    found = (
        table[table["flagged"]]
        .sort_values("score", kind="stable")
        .drop(columns=["flagged", "made_by"])
    )
    files.write_text(run_dir / ISSUES, found.to_csv(index=False))


def _read_estimate(path: Path, rows: Rows) -> Issues | None:
    """The estimate that this run wrote before it was stopped; None when there is none."""
    if not path.is_file():
        return None
    table = pd.read_parquet(path)
    codes = {name: code for code, name in enumerate(rows.classes)}
    if not np.array_equal(table["row"], rows.train):
        return None
    return Issues(
        table["flagged"].to_numpy(dtype=np.bool_),
        table["suggested"].map(codes).to_numpy().astype(np.int64),
        table["score"].to_numpy(dtype=np.float64),
        str(table["made_by"].iloc[0]),
    )
