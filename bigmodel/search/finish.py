"""The end of a search: the ranking, the preset, the final model, the pictures."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from bigmodel.config.place import shown
from bigmodel.errors import BigmodelError
from bigmodel.search import best, figures, preset, results, show
from bigmodel.search.plan import SearchPlan
from bigmodel.search.ranking import ranked
from bigmodel.search.record import REASON


def finish(plan: SearchPlan, made: Any) -> None:
    """Write what the search found; doing it again changes nothing.

    Raises `BigmodelError` when no trial is complete.
    """
    desk = plan.desk()
    desk.close()
    results.write(plan, desk.record)
    trials = desk.record.trials()
    best_first = ranked(trials, plan.modes)
    Console().print(show.table(plan, trials))
    board = shown(plan.place / results.LEADERBOARD)
    if not best_first:
        reasons = [trial.user_attrs.get(REASON) for trial in trials]
        raise BigmodelError(f"none of {len(trials)} trials succeeded: {reasons[0]}; see {board}")
    winner = best_first[0]
    values = (f"{n} {v:.4g}" for n, v in zip(plan.objectives, winner.values, strict=True))
    title = f"The best of {len(trials)} trials: number {winner.number}, {', '.join(values)}"
    given = best.overrides(plan, winner)
    preset.write(plan.place, plan.entry, given, plan.directory, title)
    figures.draw(plan, desk.record)
    best.build(plan, made, winner)
    place = shown(plan.place)
    print(f"leaderboard: {board}")
    print(f"as a preset: bigmodel {plan.entry} --config-dir {place} experiment=best")
