"""What a run says at its end: two tables, the speed, and where the bundle is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bigmodel.config.place import shown
from bigmodel.weighting.groups import groups, has_long_tail
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.rows import Rows

MOST_CLASSES = 20  # more would fill the screen: the largest and the smallest are shown


def show(title: str, metrics: Mapping[str, float], plan: Plan, rows: Rows, run_dir: str) -> None:
    """Print the metrics of validation and test, and per class where there are classes."""
    console = Console()
    console.print(_metrics(title, metrics))
    if rows.classes:
        console.print(_classes(metrics, plan, rows))
    if metrics["train/rows_per_second"]:  # nothing was left to train where a fit went on at its end
        console.print(
            f"{metrics['train/rows_per_second']:,.0f} rows/s, {metrics['fit_seconds']:.1f} s in all"
        )
    console.print(f"bundle: {shown(run_dir)}/bundle", soft_wrap=True, highlight=False)


def _metrics(title: str, metrics: Mapping[str, float]) -> Table:
    table = Table("metric", "validation", "test", title=escape(title))
    names = [key.partition("/")[2] for split in ("test/", "val/") for key in metrics
             if key.startswith(split)]  # fmt: skip
    for name in dict.fromkeys(names):
        if not name.startswith("f1/"):
            table.add_row(name, *_both(metrics, name))
    return table


def _classes(metrics: Mapping[str, float], plan: Plan, rows: Rows) -> Table:
    """The classes with most training rows first."""
    grouped = has_long_tail(rows.counts)
    weights = _mean_weights(plan, rows)
    heads = ["class", "train rows", *(["group"] if grouped else [])]
    heads += [*(["weight"] if weights is not None else []), "validation F1", "test F1"]
    table = Table(*heads, title="classes")
    ranked = np.argsort(-rows.counts, kind="stable").tolist()
    side = MOST_CLASSES // 2
    for place, code in enumerate(ranked):
        if side <= place < len(ranked) - side and len(ranked) > MOST_CLASSES:
            if place == side:
                table.add_row(f"... {len(ranked) - MOST_CLASSES} more")
            continue
        cells = [escape(rows.classes[code]), f"{rows.counts[code]:,}"]
        cells += [str(groups(rows.counts)[code])] if grouped else []
        cells += [f"{weights[code]:.3g}"] if weights is not None else []
        table.add_row(*cells, *_both(metrics, f"f1/{rows.classes[code]}"))
    return table


def _mean_weights(plan: Plan, rows: Rows) -> NDArray[Any] | None:
    """How much a training row of each class counts on average, (C,): its weight times its draws."""
    if plan.weight is None and plan.sampler is None:
        return None
    counts = np.maximum(rows.counts, 1)
    mean = np.ones(len(counts))
    if plan.weight is not None:
        totals = np.bincount(rows.target[rows.train], plan.weight[rows.train], len(counts))
        mean = totals / counts
    if plan.sampler is not None:
        mean = mean * plan.sampler.shares(rows.counts) * rows.counts.sum() / counts
    return mean


def _both(metrics: Mapping[str, float], name: str) -> list[str]:
    values = (metrics.get(f"{split}/{name}") for split in ("val", "test"))
    return ["" if value is None else f"{value:.4g}" for value in values]
