"""Challengers: experts that learn in the shadow, and are judged on the labels that come.

They answer nobody. One that is better than the whole mixture by more than chance joins it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigmodel.learning.arrays import Floats, State, log_softmax, prefixed, under
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
    """Those of this room are a part of the state. Others (`River`) cannot be: they never join, and
    after a restart they, and their scores, begin anew.
    """

    def __init__(self, experts: Mapping[str, Expert]) -> None:
        self._all = dict(experts)
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

    def join(self) -> dict[str, Expert]:
        """Those that have become better, by name: they are no challengers any more."""
        found = {
            name: expert
            for name, expert in self._experts.items()
            if expert.arrays and self.scores[name].better
        }
        for name in found:
            del self._experts[name], self.scores[name]
        return found

    def judge(self, features: Features, mixture: Floats, labels: Any, classes: int) -> None:
        """Compare with the mixture's answers to the same rows at the same time."""
        theirs = losses_of(mixture, labels, classes)
        for name, expert in self._experts.items():
            answers = expert.predict(features)
            if answers.shape != mixture.shape:
                expert.grow(classes)
                answers = expert.predict(features)
            answers = log_softmax(answers) if classes else answers
            self.scores[name].add(np.asarray(theirs - losses_of(answers, labels, classes)))

    def learn(self, features: Features, labels: Any) -> None:
        """Learn rows, once they are judged on them."""
        for expert in self._experts.values():
            expert.learn(features, labels)

    def state(self) -> State:
        """The arrays and the score of each that has arrays."""
        found: State = {}
        for name, expert in self._experts.items():
            if expert.arrays:
                score = self.scores[name]
                numbers = np.array([score.labels, score.total, score.squares])
                found |= prefixed(name, {"score": numbers} | expert.state())
        return found

    def load_state(self, state: State, shape: Shape, classes: int, joined: Sequence[str]) -> None:
        """Take back what `state` gave; those of `joined` are experts by now."""
        self._experts = {n: expert.copy() for n, expert in self._all.items() if n not in joined}
        self.scores = {name: Score() for name in self._experts}
        for name, expert in self._experts.items():
            expert.start(shape)
            own = under(name, state)
            if own:
                if classes > shape.classes:
                    expert.grow(classes)
                labels, total, squares = own.pop("score").tolist()
                self.scores[name] = Score(int(labels), total, squares)
                expert.load_state(own)
