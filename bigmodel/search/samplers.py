"""What to try next: the samplers of Optuna, and grids.

A sampler's `first` points are tried in their order; then those that `make(seed)` gives. Optuna is
imported only there: the config checker looks at these classes in every run.
"""

from __future__ import annotations

import itertools
import random
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from bigmodel.search.space import Params, Space

__all__ = ["TPE", "CmaEs", "Grid", "Random"]


class Sampler(ABC):
    """Where the parameters of a trial come from."""

    def first(self, space: Space, start: Params, seed: int) -> list[Params]:
        """What is tried first: the settings that the composition has anyway."""
        return [start]

    @property
    def ends(self) -> bool:
        """Whether there is nothing to try beyond `first`."""
        return False

    @abstractmethod
    def make(self, seed: int) -> BaseSampler:
        """Optuna's sampler. It is made anew for each trial: it knows what the record knows."""


@dataclass(frozen=True)
class Random(Sampler):
    """Each parameter on its own, evenly over its range."""

    def make(self, seed: int) -> BaseSampler:
        """Optuna's RandomSampler."""
        from optuna.samplers import RandomSampler

        return RandomSampler(seed=seed)


@dataclass(frozen=True)
class TPE(Sampler):
    """Tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS), parameters jointly.

    The first `startup` trials are random.
    """

    startup: Annotated[int, Ge(1)] = 10

    def make(self, seed: int) -> BaseSampler:
        """Optuna's TPESampler; in groups, so that parameters with conditions stay together."""
        from optuna.exceptions import ExperimentalWarning
        from optuna.samplers import TPESampler

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
            return TPESampler(
                n_startup_trials=self.startup, multivariate=True, group=True, seed=seed
            )


@dataclass(frozen=True)
class CmaEs(Sampler):
    """Covariance matrix adaptation (Hansen 2016, arXiv 1604.00772), of numbers only.

    Choices, and parameters that have a condition, are drawn at random.
    """

    def make(self, seed: int) -> BaseSampler:
        """Optuna's CmaEsSampler, which keeps its state in the record."""
        from optuna.samplers import CmaEsSampler, RandomSampler

        return CmaEsSampler(
            seed=seed,
            independent_sampler=RandomSampler(seed=seed),
            warn_independent_sampling=False,
        )


@dataclass(frozen=True)
class Grid(Sampler):
    """Every combination, in an order that is shuffled: the first ones already see the whole space.

    A range of numbers gives `points` values, its ends included, evenly spaced on its scale.
    """

    points: Annotated[int, Ge(2)] = 3

    @property
    def ends(self) -> bool:
        """A grid is finite."""
        return True

    def first(self, space: Space, start: Params, seed: int) -> list[Params]:
        """All combinations; of those that a condition makes equal, one."""
        names = [parameter.name for parameter in space.parameters]
        values = [parameter.grid(self.points) for parameter in space.parameters]
        every: dict[tuple[tuple[str, object], ...], Params] = {}
        for combination in itertools.product(*values):
            params = space.active(dict(zip(names, combination, strict=True)))
            every[tuple(params.items())] = params
        points = list(every.values())
        random.Random(seed).shuffle(points)
        return points

    def make(self, seed: int) -> BaseSampler:
        """For what a combination leaves open, which is nothing."""
        return Random().make(seed)
