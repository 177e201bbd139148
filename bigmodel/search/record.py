"""The record of a study: its trials with their states, in a storage that several processes share.

Optuna's own states say less than ours: a trial that waits at a rung is still running for it, and
one that was lost to kills has failed. What a trial is beyond Optuna's states stands in its notes.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from bigmodel.search.storage import open_storage

Status = Literal["complete", "pruned", "failed", "lost", "running", "waiting"]
Mode = Literal["min", "max"]
DIRECTIONS: dict[Mode, StudyDirection] = {
    "min": StudyDirection.MINIMIZE,
    "max": StudyDirection.MAXIMIZE,
}

# the notes of a trial (Optuna's user attributes)
OWNER = "owner"  # the name of the worker that has it; None: nobody
WAITS = "waits"  # the rung at which it waits; None: it does not
POINT = "point"  # which of the points that are tried first
LIVES = "lives"  # how many workers died on it
REASON = "reason"  # why it stopped, or what went wrong
SECONDS = "seconds"  # of work
COSTS = "costs"  # of its network, as far as they are objectives, in their order
LOST = "lost"  # it failed because its workers were killed


def status(trial: FrozenTrial) -> Status:
    """What has become of a trial so far."""
    if trial.state == TrialState.FAIL:
        return "lost" if trial.user_attrs.get(LOST) else "failed"
    if trial.state == TrialState.RUNNING:
        return "running" if trial.user_attrs.get(WAITS) is None else "waiting"
    return "complete" if trial.state == TrialState.COMPLETE else "pruned"


class View(optuna.Study):
    """A study as its sampler sees it: what waits at a rung counts as pruned.

    With several objectives such trials are left out: Optuna can't rank them.
    """

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        several = len(self.directions) > 1
        found = []
        for trial in super()._get_trials(deepcopy, None, use_cache):
            stopped = trial.state == TrialState.PRUNED or status(trial) == "waiting"
            if stopped and several:
                continue
            if stopped and trial.state == TrialState.RUNNING:
                trial = _as_pruned(trial)
            if states is None or trial.state in states:
                found.append(trial)
        return found


def _as_pruned(trial: FrozenTrial) -> FrozenTrial:
    return FrozenTrial(
        number=trial.number,
        state=TrialState.PRUNED,
        value=trial.intermediate_values.get(trial.last_step) if trial.last_step else None,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_start,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
        system_attrs=trial.system_attrs,
        intermediate_values=trial.intermediate_values,
        trial_id=trial._trial_id,
    )


class Record:
    """A study's record; `lock` is held by whoever decides something about it.

    `place` is the study's directory, `url` where its storage is, `modes` say of each objective
    whether less is better.
    """

    def __init__(self, place: Path, url: str | None, name: str, modes: Sequence[Mode]) -> None:
        self.place, self.modes = place, tuple(modes)
        place.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(place / ".lock")
        with self.lock:  # of two processes that make a database at once, one fails
            self.storage = open_storage(url, place)
            directions = [DIRECTIONS[mode] for mode in modes]
            made = optuna.create_study(
                storage=self.storage, study_name=name, directions=directions, load_if_exists=True
            )
        self.name, self._id = name, made._study_id
        self._url = url

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process, the record is opened anew."""
        return Record, (self.place, self._url, self.name, self.modes)

    @property
    def directions(self) -> tuple[Mode, ...]:
        """Of each objective, as the record has it."""
        names = {direction: mode for mode, direction in DIRECTIONS.items()}
        return tuple(names[found] for found in self.storage.get_study_directions(self._id))

    def study(self, sampler: BaseSampler | None = None) -> View:
        """The study for Optuna, as seen by a sampler."""
        return View(self.name, self.storage, sampler or RandomSampler())

    def trials(self) -> list[FrozenTrial]:
        """All trials that have begun, by number."""
        return [
            trial
            for trial in self.storage.get_all_trials(self._id, deepcopy=False)
            if trial.state != TrialState.WAITING
        ]

    def trial(self, number: int) -> FrozenTrial:
        """The trial as it stands now."""
        return self.storage.get_trial(self.trial_id(number))

    def trial_id(self, number: int) -> int:
        """What the storage calls a trial."""
        return self.storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def note(self, number: int, notes: dict[str, Any]) -> None:
        """Write notes of a trial that are new or have changed."""
        trial = self.trial(number)
        for name, value in notes.items():
            if name not in trial.user_attrs or trial.user_attrs[name] != value:
                self.storage.set_trial_user_attr(trial._trial_id, name, value)

    def report(self, number: int, step: int, value: float) -> None:
        """The metric at a step; one that is known already stays."""
        trial = self.trial(number)
        if step not in trial.intermediate_values:
            self.storage.set_trial_intermediate_value(trial._trial_id, step, value)

    def finish(
        self,
        number: int,
        state: TrialState,
        notes: dict[str, Any],
        values: Sequence[float] | None = None,
    ) -> None:
        """The end of a trial; what another process has ended before stays as it is."""
        if self.trial(number).state.is_finished():
            return
        self.note(number, notes)
        self.study().tell(number, values, state)

    def remember(self, name: str, value: Any) -> None:
        """Write a note of the study, as JSON."""
        self.storage.set_study_user_attr(self._id, name, json.dumps(value))

    def recall(self, name: str) -> Any:
        """A note of the study; None when there is none."""
        text = self.storage.get_study_user_attrs(self._id).get(name)
        return None if text is None else json.loads(text)
