"""Pictures of a search, in `figures/`, and what its parameters matter, in `importances.json`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from matplotlib import rc_context
from matplotlib.figure import Figure
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial

from bigmodel import files
from bigmodel.search.plan import SearchPlan
from bigmodel.search.ranking import front
from bigmodel.search.record import Record, status

FEW = 8  # complete trials; below, importances would be noise
STYLE: Any = {"svg.hashsalt": "bigmodel", "svg.fonttype": "none", "axes.spines.top": False,
         "axes.spines.right": False, "font.size": 9}  # fmt: skip


def draw(plan: SearchPlan, record: Record) -> None:
    """All pictures; the same trials give the same bytes."""
    trials = record.trials()
    figures: dict[str, Figure] = {}
    with rc_context(STYLE):
        figures["search_history"] = _history(plan, trials)
        figures["search_curves"] = _curves(plan, trials)
        figures["search_parameters"] = _parameters(plan, trials)
        if len(plan.objectives) > 1:
            figures["search_front"] = _front(plan, trials)
        found = importances(plan, record)
        if found:
            files.write_json(plan.place / "importances.json", found)
            figures["search_importances"] = _importances(found)
        for name, figure in figures.items():
            _save(figure, plan.place / "figures" / f"{name}.svg")


def importances(plan: SearchPlan, record: Record) -> dict[str, float]:
    """The share of each parameter in what makes a trial good, for the first objective.

    PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255); only parameters that all complete trials
    have. Empty where too few trials are complete.
    """
    study = record.study()
    complete = [trial for trial in record.trials() if status(trial) == "complete"]
    values = {trial.values[0] for trial in complete}
    if len(complete) < FEW or len(values) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(),
            target=(lambda trial: trial.values[0]) if len(plan.objectives) > 1 else None,
        )
    return {name: round(value, 6) for name, value in found.items() if math.isfinite(value)}


def _save(figure: Figure, path: Path) -> None:
    with files.atomic(path) as file:
        figure.savefig(file, format="svg", metadata={"Date": None}, bbox_inches="tight")


def _history(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> Figure:
    """Each complete trial, and the best so far, over the work that was done."""
    figure = Figure(figsize=(6, 3.2))
    axes = figure.subplots()
    work, best = 0, -math.inf
    at, values, tops = [], [], []
    for trial in trials:
        work += trial.last_step or 0
        if status(trial) == "complete":
            best = max(best, plan.first_sign * trial.values[0])
            at.append(work)
            values.append(trial.values[0])
            tops.append(plan.first_sign * best)
    axes.plot(at, values, "o", markersize=3, label="complete trials")
    axes.step(at, tops, where="post", label="best so far")
    _label(axes, f"{plan.unit} of all trials", plan.objectives[0])
    axes.legend(frameon=False)
    return figure


def _curves(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> Figure:
    """What each trial reported; those that were stopped are paler."""
    figure = Figure(figsize=(6, 3.2))
    axes = figure.subplots()
    for trial in trials:
        steps = sorted(trial.intermediate_values)
        whole = status(trial) == "complete"
        line = [trial.intermediate_values[step] for step in steps]
        axes.plot(steps, line, color="C0" if whole else "0.7", linewidth=1.2 if whole else 0.7)
    for step in plan.steps:
        axes.axvline(step, color="C1", linewidth=0.7, linestyle=":")
    _label(axes, plan.unit, plan.monitor)
    return figure


def _parameters(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> Figure:
    """The first objective over each parameter."""
    space = plan.space.parameters
    rows = math.ceil(len(space) / 3)
    figure = Figure(figsize=(8, 2.2 * rows), layout="constrained")
    every = figure.subplots(rows, 3, squeeze=False).flatten()
    for axes, parameter in zip(every, space, strict=False):
        shown = [t for t in trials if parameter.name in t.params and status(t) == "complete"]
        values = [t.params[parameter.name] for t in shown]
        if parameter.choices:
            values = [str(value) for value in values]
        axes.plot(values, [t.values[0] for t in shown], "o", markersize=3)
        if parameter.log:
            axes.set_xscale("log")
        _label(axes, parameter.name, plan.objectives[0])
    for axes in every[len(space) :]:
        axes.remove()
    return figure


def _front(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> Figure:
    """The first two objectives, and the Pareto front."""
    figure = Figure(figsize=(5, 3.6))
    axes = figure.subplots()
    complete = [trial for trial in trials if status(trial) == "complete"]
    best = sorted(front(trials, plan.modes), key=lambda trial: trial.values[1])
    axes.plot(*_points(complete), "o", markersize=3, color="0.6", label="complete trials")
    axes.plot(*_points(best), "o-", markersize=4, color="C1", label="front")
    _label(axes, plan.objectives[1], plan.objectives[0])
    axes.legend(frameon=False)
    return figure


def _points(trials: Sequence[FrozenTrial]) -> tuple[list[float], list[float]]:
    return [trial.values[1] for trial in trials], [trial.values[0] for trial in trials]


def _importances(found: dict[str, float]) -> Figure:
    figure = Figure(figsize=(6, 0.4 + 0.3 * len(found)))
    axes = figure.subplots()
    names = sorted(found, key=lambda name: found[name])
    axes.barh(names, [found[name] for name in names])
    axes.set_xlabel("importance")
    return figure


def _label(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
