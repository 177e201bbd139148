"""The picture of a search: size against loss, speed as colour."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bigmodel import files
from bigmodel.compression.points import Point, front

NAME = "compression.svg"


def plot(points: Sequence[Point], best: Point | None, max_drop: float, folder: Path) -> None:
    """Write `compression.svg` into `folder`; a line instead where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print('compression: no figure: it needs matplotlib; pip install "bigmodel[compression]"')
        return
    drawn = Figure(figsize=(8, 5), layout="constrained")
    axes = drawn.subplots()
    shown = axes.scatter(
        [p.size for p in points],
        [p.drop.value for p in points],
        c=[p.speed for p in points],
        cmap="viridis",
        zorder=3,
    )
    axes.errorbar(
        [p.size for p in points],
        [p.drop.value for p in points],
        yerr=np.array([[0.0, p.drop.upper - p.drop.value] for p in points]).T,
        fmt="none",
        ecolor="lightgrey",
    )
    axes.axhline(max_drop, color="tab:red", linewidth=1, label="budget")
    for p in front(points):
        axes.annotate(
            p.name, (p.size, p.drop.value), fontsize=7, xytext=(4, 4), textcoords="offset points"
        )
    if best is not None:
        axes.plot(best.size, best.drop.value, "o", ms=14, mfc="none", mec="tab:red", label="taken")
    axes.set(xlabel="times smaller", ylabel="loss of the monitored metric, with its bound")
    axes.legend()
    drawn.colorbar(shown, label="times as fast, 1 and 64 rows")
    with files.atomic(folder / NAME) as file:
        drawn.savefig(file, format="svg")
