"""Asynchronous successive halving (ASHA, Li et al. 2020, MLSys): who may go on, and who waits.

A trial that reaches a rung goes on at once when it is among the best of those that have been
there, and waits otherwise. What waits is woken when, with more trials in, it is among them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from bigmodel.search.pareto import Scores, layers

__all__ = ["Rungs"]


@dataclass(frozen=True)
class Rungs:
    """At each rung one trial in `reduction` goes on; a rung has `reduction` times the last one's.

    The first one is at `first` epochs (of the fidelity rows: at that share of the rows, in
    percent); None: two rungs below the whole.
    """

    reduction: Annotated[int, Ge(2)] = 3
    first: Annotated[int, Gt(0)] | None = None

    def steps(self, whole: int) -> list[int]:
        """The rungs below `whole` epochs (or percent); none in its second half, to save little."""
        step = self.first or max(1, whole // self.reduction**2)
        found = []
        while 2 * step <= whole:
            found.append(step)
            step *= self.reduction
        return found

    def go_on(self, scores: Mapping[int, Scores]) -> set[int]:
        """Which trials may go on, by number, given their scores at a rung (larger is better).

        The best one always may; of equals, the earlier one. Where what a network costs counts,
        too, whoever is nearer to the front goes first (as in MO-ASHA, arXiv 2106.12639), and all
        of the front may: it is what the search is for.
        """
        several = any(len(score) > 1 for score in scores.values())
        layer = layers(scores) if several else dict.fromkeys(scores, 0)
        ranked = sorted(scores, key=lambda number: (layer[number], -scores[number][0], number))
        best = set(ranked[: max(1, len(ranked) // self.reduction)])
        return best | {number for number in ranked if several and layer[number] == 0}


def best_until(step: int, reports: Mapping[int, float], sign: int) -> float | None:
    """The best value that a trial had reported by `step`, times `sign`; None before it got there.

    The best, not the last: a trial ends up with the weights of its best epoch.
    """
    if step not in reports:
        return None
    return max(sign * value for at, value in reports.items() if at <= step)
