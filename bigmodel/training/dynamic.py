"""The dynamic half of a run: experts on the fitted network, warmed in order, tested in order."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from rich.progress import Progress

from bigmodel.bundle.engine import Engine
from bigmodel.bundle.export import to_onnx
from bigmodel.bundle.live import Columns, LiveEngine
from bigmodel.config.instantiate import instantiate
from bigmodel.data.splits import TEST, TRAIN, VAL
from bigmodel.data.tables import TableData
from bigmodel.errors import UserError
from bigmodel.learning.figures import plot
from bigmodel.learning.layout import Layout
from bigmodel.learning.learner import Learner
from bigmodel.learning.prequential import Prequential, PrequentialValues
from bigmodel.learning.settings import Learning
from bigmodel.learning.streaming import Trace, follow
from bigmodel.models.features import opened, width
from bigmodel.models.task import Task
from bigmodel.training.served import Served
from bigmodel.weighting.plan import Plan

DELAYS = (0, 16, 256)  # rows between an answer and its label
_MOST = 50_000  # training rows that the experts learn: the last ones


@dataclass(frozen=True)
class Live:
    """What comes of it: what is served, and figures for `metrics.json`."""

    served: Served
    figures: dict[str, float]


def settings(cfg: DictConfig, data: TableData, plan: Plan) -> Learning | None:
    """The config's learner, None without one. Raises UserError where it does not go together."""
    learning: Learning | None = instantiate(cfg.learning)
    if learning is None:
        return None
    if cfg.compression is not None:
        raise UserError("learning: a compressed network has no features; use compression=none")
    if not len(data.prepared.rows(VAL)):
        raise UserError("learning: experts are warmed on validation rows; change data.split.ratios")
    regression = data.spec.task == "regression"
    if regression != (type(learning.mixer).__name__ == "GaussianMixer"):
        fit = "learning=regression" if regression else "learning=full or fast"
        raise UserError(f"learning: for a target of this kind use {fit}")
    if learning.new_classes.most and (regression or plan.decides):
        kind = "a number has no classes" if regression else "costs decide between two classes"
        raise UserError(f"learning.new_classes.most: {kind}; leave it at 0")
    if data.settings.split.by != "time":
        print(
            "learning: rows are learnt in the table's order; where that is the order in time, "
            "use data.split.by=time data.split.column=row_order"
        )
    return learning


def learnt(learning: Learning | None, cfg: DictConfig, model: Task, data: TableData) -> Live | None:
    """Export the network with its features, warm the experts, and follow the test split."""
    if learning is None:
        return None
    live, onnx = _engine(learning, model, data)
    learner = live.learner
    prepared = data.prepared
    train = prepared.rows(TRAIN)[-_MOST:]
    order = np.concatenate([train, prepared.rows(VAL)])
    rows, labels = _rows(live, data, order)
    with Progress(transient=True) as progress:
        told = progress.add_task("warming the experts", total=len(order))
        learner.warm(rows[: len(train)], labels[: len(train)], fit=len(train))
        progress.update(told, completed=len(train))
        val = follow(
            learner,
            rows[len(train) :],
            labels[len(train) :],
            progress=lambda done: progress.update(told, completed=len(train) + done),
        )
    held = {VAL: val.answers[:, : learner.layout.outputs].astype(np.float32)}
    figures = _prequential(live, data, Path(cfg.run_dir))
    return Live(Served(onnx, compressed=True, live=live, held=held), figures)


def _engine(learning: Learning, model: Task, data: TableData) -> tuple[LiveEngine, bytes]:
    """The network with its features as a file, and a learner on it that knows nothing yet."""
    first = torch.from_numpy(data.prepared.rows(TRAIN)[:32])
    network = opened(model.network, data.tensors().rows(first))
    onnx = to_onnx(network, data.spec)
    columns = Columns(data.spec.n_numeric, tuple(data.spec.cardinalities))
    outputs = data.spec.n_outputs
    task: Any = "classification" if model.classifies else "regression"
    layout = Layout(outputs, width(model.network), columns.width, task)
    learner = Learner(learning, layout, outputs if model.classifies else 0)
    return LiveEngine(Engine(onnx, "the network to be served"), learner, columns), onnx


def _rows(
    live: LiveEngine, data: TableData, positions: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """The learner's rows and labels, of the table's rows at these positions."""
    target = data.prepared.target[positions]
    labels = target.astype(np.int64 if live.learner.live.classes else np.float64)
    return live.rows(data.prepared.inputs.rows(positions)), labels


def _prequential(live: LiveEngine, data: TableData, run_dir: Path) -> dict[str, float]:
    """Test-then-train on the test split, at each delay, from the same start."""
    positions = data.prepared.rows(TEST)
    if not len(positions):
        return {}
    rows, labels = _rows(live, data, positions)
    start = live.learner.state()
    found: dict[str, float] = {}
    for delay in DELAYS:
        learner = Learner(live.learner.settings, live.learner.layout, live.learner.shape.classes)
        learner.load_state(start)
        trace = follow(learner, rows, labels, delay=delay)
        figures = judged(learner, trace, rows, labels, delay, before=live.learner.live.history)
        found |= {f"prequential/delay_{delay}/{name}": value for name, value in figures.items()}
        if delay == 0:
            plot(run_dir / "figures", trace, learner.live.names, labels, rows)
    return found


def judged(
    learner: Learner,
    trace: Trace,
    rows: NDArray[np.float32],
    labels: NDArray[Any],
    delay: int,
    before: NDArray[Any],
) -> dict[str, float]:
    """The figures of answers that were given in order, each before its label came."""
    outputs = learner.layout.outputs
    static = rows[:, :outputs].astype(np.float64)
    if not learner.live.classes:
        return PrequentialValues(1.0).learned(trace.answers, static, before, labels).figures()
    late = before[-delay - 1 :]  # the labels known at the first rows; of the first, its own before
    known = np.concatenate([np.pad(late, (delay + 1 - len(late), 0), mode="edge"), labels])
    known = known[: len(labels)]
    return Prequential(fade=1.0).learned(trace.answers, static, known, labels).figures()
