"""Which trials did best: of one objective a ranking, of several a Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from bigmodel.search.pareto import Scores, layers
from bigmodel.search.record import Mode, status


def ranked(trials: Sequence[FrozenTrial], modes: Sequence[Mode]) -> list[FrozenTrial]:
    """The complete trials, the best first; of several objectives, the front before all others.

    Within the front, and beyond it, the first objective decides; of equals, the earlier trial.
    """
    complete = [trial for trial in trials if status(trial) == "complete"]
    scores = {trial.number: _scores(trial, modes) for trial in complete}
    layer = layers(scores) if len(modes) > 1 else dict.fromkeys(scores, 0)
    return sorted(complete, key=lambda t: (layer[t.number] > 0, -scores[t.number][0], t.number))


def front(trials: Sequence[FrozenTrial], modes: Sequence[Mode]) -> list[FrozenTrial]:
    """The complete trials than which none is better in one objective and as good in the others."""
    complete = [trial for trial in trials if status(trial) == "complete"]
    layer = layers({trial.number: _scores(trial, modes) for trial in complete})
    return [trial for trial in complete if layer[trial.number] == 0]


def _scores(trial: FrozenTrial, modes: Sequence[Mode]) -> Scores:
    return tuple(
        value if mode == "max" else -value for value, mode in zip(trial.values, modes, strict=True)
    )
