"""Challengers: experts that learn in the shadow, and are judged on the labels that come.

They answer nobody. One that is better by more than chance deserves a place among the experts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigmodel.learning.arrays import Floats, log_softmax
from bigmodel.learning.experts.expert import Expert, Shape
from bigmodel.learning.lift import Features
from bigmodel.learning.sieve import losses_of

_ENOUGH, _SIGMAS = 500, 4.0  # labels, and standard errors, before one is called better


@dataclass
class Score:
    """Loss of the mixture less that of a challenger: number of labels, sum, sum of squares."""

    labels: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, gains: Floats) -> None:
        """With these labels."""
        self.labels += len(gains)
        self.total += float(gains.sum())
        self.squares += float((gains**2).sum())

    @property
    def gain(self) -> float:
        """The mean: above 0 the challenger is better."""
        return self.total / max(1, self.labels)

    @property
    def better(self) -> bool:
        """Whether that is more than chance: four standard errors, as it is asked often."""
        if self.labels < _ENOUGH:
            return False
        variance = max(self.squares / self.labels - self.gain**2, 1e-12)
        return self.gain > _SIGMAS * math.sqrt(variance / self.labels)


class Challengers:
    """They are no part of the state: after a restart they, and their scores, begin anew."""

    def __init__(self, experts: Mapping[str, Expert]) -> None:
        self._experts = {name: expert.copy() for name, expert in experts.items()}
        self.scores = {name: Score() for name in experts}

    def __len__(self) -> int:
        return len(self._experts)

    def figures(self) -> dict[str, dict[str, float | bool]]:
        """By name: labels it was judged on, its gain over the mixture, whether it is better."""
        return {
            name: {"labels": score.labels, "gain": score.gain, "better": score.better}
            for name, score in self.scores.items()
        }

    def start(self, shape: Shape) -> None:
        """Nothing has been learnt."""
        for expert in self._experts.values():
            expert.start(shape)

    def judge(self, features: Features, mixture: Floats, labels: Any, classes: int) -> None:
        """Compare with the mixture's answers to the same rows at the same time; then learn."""
        theirs = losses_of(mixture, labels, classes)
        for name, expert in self._experts.items():
            answers = expert.predict(features)
            if answers.shape != mixture.shape:
                expert.grow(classes)
                answers = expert.predict(features)
            answers = log_softmax(answers) if classes else answers
            self.scores[name].add(np.asarray(theirs - losses_of(answers, labels, classes)))
            expert.learn(features, labels)
