"""What a search shows while it runs: a table on a terminal, else a line a trial."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from bigmodel.search import results
from bigmodel.search.plan import SearchPlan
from bigmodel.search.ranking import ranked
from bigmodel.search.record import REASON, SECONDS, Record, status

ROWS = 10  # of a table: more would scroll the best ones away


class Progress:
    """Shows a study until `close`; `update` looks at its record."""

    def __init__(self, plan: SearchPlan, record: Record, total: int) -> None:
        self.plan, self.record, self.total = plan, record, total
        self._console = Console(file=sys.stdout)  # a trial's own output goes elsewhere
        self._said = {t.number for t in record.trials() if t.state.is_finished()}
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, auto_refresh=False, transient=True,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._live.start()

    def update(self) -> None:
        """Show what has changed."""
        trials = self.record.trials()
        if self._live is not None:
            self._live.update(table(self.plan, trials, self.total), refresh=True)
            return
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._said:
                self._said.add(trial.number)
                print(self._line(trial, trials), file=self._console.file, flush=True)

    def _line(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> str:
        ended = sum(t.state.is_finished() for t in trials)
        words = [f"trial {trial.number}: {status(trial)}"]
        for name, value in zip(self.plan.objectives, _figures(self.plan, trial), strict=True):
            words += [f"{name} {value}"] if value else []
        words += [f"{trial.last_step} {self.plan.unit}"] if trial.last_step else []
        words += [f"{trial.user_attrs.get(SECONDS, 0):.1f} s"]
        if status(trial) in ("failed", "lost"):
            words.append(str(trial.user_attrs.get(REASON)))
        return f"{', '.join(words)} ({ended} of {self.total})"

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()


def table(plan: SearchPlan, trials: Sequence[FrozenTrial], total: int | None = None) -> Table:
    """The best trials, then those at work."""
    counts = [status(trial) for trial in trials]
    names = ("complete", "pruned", "failed", "lost", "waiting", "running")
    said = ", ".join(f"{counts.count(name)} {name}" for name in names if name in counts)
    of = f" of {total}" if total else ""
    shown = Table("rank", "trial", "state", *plan.objectives, plan.unit, "settings",
                  title=f"{plan.study}: {len(trials)}{of} trials ({said})")  # fmt: skip
    shown.columns[-1].overflow = "fold"
    best_first = ranked(trials, plan.modes)[:ROWS]
    at_work = [trial for trial in trials if total and status(trial) == "running"]
    for rank, trial in enumerate((*best_first, *at_work), 1):
        settings = " ".join(_short(text) for text in plan.space.overrides(trial.params))
        place = str(rank) if rank <= len(best_first) else ""
        shown.add_row(place, str(trial.number), status(trial), *_figures(plan, trial),
                      str(trial.last_step or ""), escape(settings))  # fmt: skip
    return shown


def _figures(plan: SearchPlan, trial: FrozenTrial) -> list[str]:
    values = results.figures(plan, trial)
    return ["" if value == "" else f"{value:.4g}" for value in values]


def _short(override: str) -> str:
    key, _, value = override.partition("=")
    try:
        return f"{key}={float(value):.3g}"
    except ValueError:
        return override
