"""What a worker does next: a trial whose worker died, one that may leave its rung, or a new one.

All of it is decided under the record's lock, so that a running trial without a worker is one whose
worker died, no trial is taken twice, and there are never more than asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from optuna.trial import FrozenTrial, Trial, TrialState

from bigmodel.search.owner import alive
from bigmodel.search.record import COSTS, LIVES, LOST, OWNER, POINT, REASON, WAITS, Record, status
from bigmodel.search.rungs import Rungs, best_until
from bigmodel.search.samplers import Sampler
from bigmodel.search.space import Params, Space, holds

MOST_LIVES = 3  # workers that may die on a trial: one that needs too much memory kills each
_DRAWN = 1 << 31


@dataclass(frozen=True)
class Claim:
    """A trial that a worker has taken: its number, its parameters."""

    number: int
    params: Params


@dataclass(frozen=True)
class Desk:
    """Gives out the trials of a study.

    `first` are the points to be tried before the sampler is asked, `sign` is 1 where a larger
    value of the rungs' metric is better, else -1; `unit` is what the rungs count.
    """

    record: Record
    space: Space
    sampler: Sampler
    first: list[Params]
    n_trials: int
    seed: int
    rungs: Rungs | None
    sign: int
    unit: str

    @property
    def total(self) -> int:
        """How many trials there will be; a grid may have fewer points than were asked for."""
        return min(self.n_trials, len(self.first)) if self.sampler.ends else self.n_trials

    def claim(self, worker: str) -> Claim | Literal["wait"] | None:
        """The next trial; "wait" while only others have one; None when the study is complete."""
        with self.record.lock:
            trials = self.record.trials()
            self._bury(trials)
            number = self._orphan(trials)
            if number is None:
                number = self._promotable(trials)
            if number is None and len([t for t in trials if status(t) != "lost"]) < self.total:
                number = self._new(trials)
            if number is None:
                return "wait" if any(status(t) == "running" for t in trials) else None
            params = self._params(number)
            self.record.note(number, {OWNER: worker, WAITS: None})
            return Claim(number, params)

    def close(self) -> None:
        """Whoever still waits at a rung is pruned: nobody will come to change that."""
        with self.record.lock:
            for trial in self.record.trials():
                if status(trial) == "waiting":
                    reason = f"behind others at {trial.user_attrs[WAITS]} {self.unit}"
                    self.record.finish(trial.number, TrialState.PRUNED, {REASON: reason})

    def _bury(self, trials: list[FrozenTrial]) -> None:
        """A trial on which too many workers died is lost; another one takes its place."""
        for at, trial in enumerate(trials):
            lives = trial.user_attrs.get(LIVES, 0) + (trial.user_attrs.get(OWNER) is not None)
            if self._is_orphan(trial) and lives >= MOST_LIVES:
                reason = f"{MOST_LIVES} workers were killed while they had it"
                self.record.finish(trial.number, TrialState.FAIL, {LOST: True, REASON: reason})
                trials[at] = self.record.trial(trial.number)

    def _is_orphan(self, trial: FrozenTrial) -> bool:
        if status(trial) != "running":
            return False
        return not alive(self.record.place, trial.user_attrs.get(OWNER))

    def _orphan(self, trials: list[FrozenTrial]) -> int | None:
        for trial in trials:
            if self._is_orphan(trial):
                if trial.user_attrs.get(OWNER) is not None:
                    self.record.note(trial.number, {LIVES: trial.user_attrs.get(LIVES, 0) + 1})
                return trial.number
        return None

    def _promotable(self, trials: list[FrozenTrial]) -> int | None:
        """The trial that waits at the highest rung and is among the best there by now."""
        waiting = [trial for trial in trials if status(trial) == "waiting"]
        for step in sorted({trial.user_attrs[WAITS] for trial in waiting}, reverse=True):
            best = self._go_on(step, trials)
            for trial in waiting:
                if trial.user_attrs[WAITS] == step and trial.number in best:
                    return trial.number
        return None

    def may_go_on(self, number: int, step: int) -> bool:
        """Whether the trial that has reached the rung at `step` is among the best there."""
        return number in self._go_on(step, self.record.trials())

    def _go_on(self, step: int, trials: list[FrozenTrial]) -> set[int]:
        assert self.rungs is not None
        scores = {
            trial.number: (score, *(-cost for cost in trial.user_attrs.get(COSTS, [])))
            for trial in trials
            if (score := best_until(step, trial.intermediate_values, self.sign)) is not None
        }
        return self.rungs.go_on(scores)

    def _new(self, trials: list[FrozenTrial]) -> int:
        """A trial that did not exist, with its parameters."""
        study = self.record.study()
        taken = {t.user_attrs.get(POINT) for t in trials if status(t) != "lost"}
        left = [point for point in range(len(self.first)) if point not in taken]
        if left and not study.get_trials(states=(TrialState.WAITING,)):  # of a killed worker
            study.enqueue_trial(self.first[left[0]], user_attrs={POINT: left[0]})
        return study.ask().number

    def _params(self, number: int) -> Params:
        """The trial's parameters; those that are not drawn yet are drawn now."""
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0]) % _DRAWN
        study = self.record.study(self.sampler.make(seed))
        trial = Trial(study, self.record.trial_id(number))
        params: Params = {}
        for parameter in self.space.parameters:
            if holds(parameter, params):
                params[parameter.name] = parameter.draw(trial)
        return params
