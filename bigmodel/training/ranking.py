"""What a sweep found: its runs, the best first, on the screen and in `leaderboard.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bigmodel import files
from bigmodel.training.monitor import mode

if TYPE_CHECKING:
    from bigmodel.train import Result

SHOWN = (
    "macro_f1",
    "few_recall",
    "savings",
    "rmse",
)  # of validation: the test split chooses nothing


def ranked(results: Sequence[Result]) -> list[Result]:
    """The best of the monitored metric first; runs without it last."""
    if not results:
        return []
    sign = 1 if mode(results[0].monitor) == "min" else -1
    return sorted(results, key=lambda r: sign * r.metrics.get(r.monitor, sign * float("inf")))


def report(results: Sequence[Result]) -> None:
    """Print the ranking and write `leaderboard.csv` beside the runs."""
    from rich.console import Console
    from rich.table import Table

    if not results:
        return
    best_first = ranked(results)
    monitor = best_first[0].monitor
    shown = dict.fromkeys([monitor, *(f"val/{name}" for name in SHOWN)])
    names = [name for name in shown if any(name in r.metrics for r in results)]
    table = Table("rank", "run", "settings", *names, title=f"ranked on {monitor}")
    table.columns[2].overflow = "fold"
    for rank, result in enumerate(best_first, 1):
        values = (result.metrics.get(name) for name in names)
        figures = ["" if value is None else f"{value:.4g}" for value in values]
        table.add_row(str(rank), result.run_dir.name, _varied(result, results), *figures)
    Console().print(table)
    write(best_first, best_first[0].run_dir.parent / "leaderboard.csv")


def write(best_first: Sequence[Result], path: Path) -> None:
    """All settings and metrics, a line a run."""
    metrics = list(dict.fromkeys(name for result in best_first for name in result.metrics))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["rank", "run", "settings", *metrics])
    for rank, result in enumerate(best_first, 1):
        figures = [result.metrics.get(name, "") for name in metrics]
        writer.writerow([rank, result.run_dir.name, " ".join(result.overrides), *figures])
    files.write_text(path, text.getvalue())


def _varied(result: Result, results: Sequence[Result]) -> str:
    """The settings in which the runs differ."""
    common = set(results[0].overrides).intersection(*(other.overrides for other in results))
    own = [text.lstrip("+") for text in result.overrides if text not in common]
    return " ".join(own)
