"""Pictures over time: rolling quality, the experts' weights, and the changes that were noticed."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel import files
from bigmodel.learning.arrays import Floats
from bigmodel.learning.streaming import Trace

_WINDOW = 500  # rows of a rolling mean


def plot(
    folder: Path,
    trace: Trace,
    names: tuple[str, ...],
    labels: NDArray[Any],
    rows: NDArray[np.float32],
) -> None:
    """Write `learning.svg` into `folder`; a line instead where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print('learning: no figure: it needs matplotlib; pip install "bigmodel[learning]"')
        return
    window = max(1, min(_WINDOW, len(labels) // 4))
    drawn = Figure(figsize=(9, 6), layout="constrained")
    above, below = drawn.subplots(2, 1, sharex=True)
    curves, what = _curves(trace.answers, labels, rows)
    for name, values in curves.items():
        above.plot(np.arange(window - 1, len(values)), rolling(values, window), label=name)
    above.set(ylabel=f"{what} of the last {window}")
    weights = np.zeros((len(trace.weights), len(names)))  # who joined late had none before
    for row, known in enumerate(trace.weights):
        weights[row, : len(known)] = known
    shown = np.argsort(-np.abs(weights).mean(axis=0))
    for expert in shown:
        below.plot(trace.rows, weights[:, expert], label=names[expert], linewidth=1)
    below.set(xlabel="row", ylabel="weight in the mixture")
    for axes in (above, below):
        for row in trace.drifts:
            axes.axvline(row, color="grey", linestyle=":", linewidth=1)
        axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    with files.atomic(folder / "learning.svg") as file:
        drawn.savefig(file, format="svg")


def _curves(
    answers: Floats, labels: NDArray[Any], rows: NDArray[np.float32]
) -> tuple[dict[str, NDArray[Any]], str]:
    """One number for each row by name, and what it is."""
    outputs = answers.shape[1]
    if outputs == 1:
        errors = {"live": np.abs(answers[:, 0] - labels), "frozen": np.abs(rows[:, 0] - labels)}
        return errors, "absolute error (standard deviations)"
    return {
        "live": answers.argmax(axis=1) == labels,
        "frozen": rows[:, :outputs].argmax(axis=1) == labels,
        "no change": np.concatenate([[False], labels[1:] == labels[:-1]]),
    }, "accuracy"


def rolling(values: NDArray[Any], window: int) -> Floats:
    """Means of `window` values in a row, (n - window + 1,)."""
    sums = np.cumsum(np.concatenate([[0.0], values.astype(np.float64)]))
    return np.asarray((sums[window:] - sums[:-window]) / window)
