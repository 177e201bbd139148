"""What every worker of a search has to know; it travels to their processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bigmodel.search.claims import Desk
from bigmodel.search.objectives import direction
from bigmodel.search.record import Mode, Record
from bigmodel.search.settings import Search
from bigmodel.search.space import Params, Space


@dataclass(frozen=True)
class SearchPlan:
    """A search that was checked.

    `task(cfg, directory, trial)` trains a config of `entry`, whose groups are also looked for in
    `directory`; `fixed` are the overrides that all trials have in common, `trust` the packages
    that they may name. `place` is the study's directory, `epochs` how many a whole trial has,
    `monitor` the metric of the rungs.
    """

    entry: str
    task: Callable[..., Any] | None  # None: the search is only checked
    directory: Path | None
    trust: tuple[str, ...]
    fixed: list[str]
    search: Search
    space: Space
    start: Params
    place: Path
    seed: int
    epochs: int
    monitor: str
    objectives: list[str]

    @property
    def study(self) -> str:
        """The study's name."""
        return self.search.study or self.place.name

    @cached_property
    def steps(self) -> list[int]:
        """The rungs, in epochs, or in percent of the training rows."""
        return [] if self.search.rungs is None else self.search.rungs.steps(self.whole)

    @property
    def by_rows(self) -> bool:
        """Whether the rungs are shares of the training rows."""
        return self.search.fidelity == "rows" and self.search.rungs is not None

    @property
    def whole(self) -> int:
        """The step at which a trial is complete, unless it stops by itself."""
        return 100 if self.by_rows else self.epochs

    @property
    def unit(self) -> str:
        """What the steps count."""
        return "percent" if self.by_rows else "epochs"

    @property
    def modes(self) -> list[Mode]:
        """Of each objective, whether less is better."""
        return [direction(name) for name in self.objectives]

    @property
    def sign(self) -> int:
        """1 where a larger value of the monitored metric is better, else -1."""
        return 1 if direction(self.monitor) == "max" else -1

    @property
    def first_sign(self) -> int:
        """The same of the first objective."""
        return 1 if direction(self.objectives[0]) == "max" else -1

    def record(self) -> Record:
        """The study's record, opened."""
        return Record(self.place, self.search.storage, self.study, self.modes)

    def desk(self) -> Desk:
        """Who gives out the trials."""
        sampler = self.search.sampler
        return Desk(
            self.record(),
            self.space,
            sampler,
            sampler.first(self.space, self.start, self.seed),
            self.search.n_trials,
            self.seed,
            self.search.rungs,
            self.sign,
            self.unit,
        )
