"""What stands in a study's directory at any time: `leaderboard.csv`, and no checkpoint too many."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from bigmodel import files
from bigmodel.search.plan import SearchPlan
from bigmodel.search.ranking import front, ranked
from bigmodel.search.record import REASON, SECONDS, Record, status

LEADERBOARD = "leaderboard.csv"
STATE = ("checkpoints", "members")  # of a trial: what going on, or testing it, needs


def write(plan: SearchPlan, record: Record) -> None:
    """Bring the directory up to date; called after every trial."""
    with record.lock:
        trials = record.trials()
        files.write_text(plan.place / LEADERBOARD, leaderboard(plan, trials))
        _tidy(plan, trials)


def leaderboard(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> str:
    """A line a trial as CSV, the best first; then those without a rank, by number."""
    modes = plan.modes
    best_first = ranked(trials, modes)
    places = {trial.number: rank for rank, trial in enumerate(best_first, 1)}
    rest = [trial for trial in trials if trial.number not in places]
    keys = list(dict.fromkeys(parameter.key for parameter in plan.space.parameters))
    on_front = {trial.number for trial in front(trials, modes)} if len(modes) > 1 else None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = ["front"] if on_front is not None else []
    writer.writerow(
        ["rank", "trial", "state", *heads, *plan.objectives, plan.unit, "seconds", *keys, "reason"]
    )
    for trial in (*best_first, *rest):
        on = [] if on_front is None else ["yes" if trial.number in on_front else ""]
        own = dict(o.split("=", 1) for o in plan.space.overrides(trial.params))
        writer.writerow(
            [
                places.get(trial.number, ""),
                trial.number,
                status(trial),
                *on,
                *figures(plan, trial),
                trial.last_step or "",
                trial.user_attrs.get(SECONDS, ""),
                *(own.get(key, "") for key in keys),
                trial.user_attrs.get(REASON, ""),
            ]
        )
    return text.getvalue()


def figures(plan: SearchPlan, trial: FrozenTrial) -> list[Any]:
    """A trial's objectives; of one that is not complete, the best that it has reported."""
    if status(trial) == "complete":
        return list(trial.values)
    reports = list(trial.intermediate_values.values())
    if not reports:
        return [""] * len(plan.objectives)
    best = max(reports, key=lambda value: plan.sign * value)
    return [best if name == plan.monitor else "" for name in plan.objectives]


def _tidy(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> None:
    """Remove the checkpoints of trials that have ended and will not be the final model."""
    kept = front(trials, plan.modes) if len(plan.modes) > 1 else ranked(trials, plan.modes)[:1]
    keep = {trial.number for trial in kept}
    for trial in trials:
        if status(trial) not in ("running", "waiting") and trial.number not in keep:
            for name in STATE:
                shutil.rmtree(plan.place / str(trial.number) / name, ignore_errors=True)
