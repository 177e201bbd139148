"""Processes that judge two versions together, as those of a service do by way of their store."""

import random
from collections.abc import Mapping

from bigmodel.serving.settings import Rollback
from bigmodel.serving.traffic.comparison import Comparison, Episode
from bigmodel.serving.traffic.evidence import Evidence, Means

EPISODE = Episode("wine", "canary", "new", "old", 0.0)
SOUND = {"error": 0.001, "slow": 0.05, "wrong": 0.1, "differ": 0.1}
_BEAT = 100  # requests between two settlements of all


class Processes:
    """Each has a comparison of its own; `known` is what all have told."""

    def __init__(self, limits: Rollback, count: int = 1, before: Means | None = None) -> None:
        self.all = [Comparison(EPISODE, limits, before) for _ in range(count)]
        self.known = Evidence()

    def settle(self, *which: Comparison) -> None:
        """These tell what they have seen; by default all."""
        for one in which or self.all:
            self.known = self.known.plus(one.take())
            one.adopt(self.known)

    def traffic(self, canary: Mapping[str, float], requests: int, seed: int) -> int | None:
        """Requests with a tenth for the canary; after how many of them it is called worse."""
        chance = random.Random(seed)
        for number in range(1, requests + 1):
            one = chance.choice(self.all)
            judged = chance.random() < 0.1
            of, version = (canary, "new") if judged else (SOUND, "old")
            error = chance.random() < of["error"]
            one.answered(version, error=error, slow=chance.random() < of["slow"])
            if chance.random() < 0.3:
                one.disagreed(float(chance.random() < canary["differ"]))
            if chance.random() < 0.5:
                one.labelled(version, float(chance.random() < of["wrong"]))
            if one.pressing:
                self.settle(one)
            elif number % _BEAT == 0:
                self.settle()
            if one.verdict:
                return number
        return None
