"""What every benchmark shares: its flags, its table, its JSON."""

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]


def arguments(
    description: str | None, part: Sequence[int] = (), peer: bool = False
) -> argparse.Namespace:
    """`--json`, `--data`, `--quick`; `--part N` of several; `--peer-python` of other packages."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="the data sets"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: its figures say nothing")
    if peer:
        parser.add_argument(
            "--peer-python",
            type=Path,
            nargs="+",
            help="the interpreters of the peers' own environments",
        )
    if part:
        parser.add_argument("--part", type=int, choices=part, help="run this part alone")
    return parser.parse_args()


def need(path: Path) -> Path:
    """The data file, or the end of the benchmark with exit code 3."""
    if not path.exists():
        print(
            f"{path}: is not there; name the folder of the data sets with --data", file=sys.stderr
        )
        sys.exit(3)
    return path


def spread(values: Sequence[float], name: str) -> dict[str, float]:
    """The median with the least and the greatest value, for a row of the table."""
    return {
        name: round(statistics.median(values), 3),
        f"{name}_min": round(min(values), 3),
        f"{name}_max": round(max(values), 3),
    }


def target(name: str, value: float, op: str, wanted: float) -> dict[str, Any]:
    """One target: `op` is ">=" or "<="."""
    holds = value >= wanted if op == ">=" else value <= wanted
    return {"name": name, "value": round(value, 4), "op": op, "target": wanted, "holds": holds}


def finish(
    bench: str,
    rows: Sequence[dict[str, Any]],
    targets: Sequence[dict[str, Any]],
    given: argparse.Namespace,
) -> None:
    """Print both tables and write the JSON."""
    console = Console(width=160)
    for title, lines in ((bench, rows), ("targets", targets)):
        names = list(dict.fromkeys(name for line in lines for name in line))
        table = Table(*names, title=title)
        for line in lines:
            table.add_row(*("" if line.get(name) is None else str(line[name]) for name in names))
        console.print(table)
    machine = {
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "quick": given.quick,
    }
    content = {"bench": bench, "machine": machine, "rows": list(rows), "targets": list(targets)}
    if given.json:
        given.json.write_text(json.dumps(content, indent=2) + "\n")
