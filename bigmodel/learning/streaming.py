"""Test-then-train over a stream: every row is answered first, its label comes some rows later."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.learning.arrays import Floats
from bigmodel.learning.events import Events
from bigmodel.learning.learner import Learner
from bigmodel.learning.memo import Memos


@dataclass
class Trace:
    """What happened: the `answers` (n, K) in order; by row, the experts' weights and the drifts."""

    answers: Floats
    rows: list[int] = field(default_factory=list)
    weights: list[Floats] = field(default_factory=list)
    drifts: list[int] = field(default_factory=list)


def follow(
    learner: Learner,
    rows: NDArray[np.float32],
    labels: NDArray[Any],
    *,
    delay: int = 0,
    block: int = 16,
    sources: tuple[str, ...] | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> Trace:
    """Answer (n, width) rows in blocks and learn from `labels` (n,) that come `delay` rows late.

    With a delay of 0 the labels of a block come when all of it has been answered. `sources` (n)
    say who gave the labels; `progress` is told how many rows are done.
    """
    found: list[Floats] = []
    trace = Trace(np.zeros((0, 0)))
    waiting: deque[Memos] = deque()
    learnt = 0
    for start in range(0, len(rows), block):
        answers, memos = learner.live.answer(rows[start : start + block])
        found.append(answers)
        waiting.append(memos)
        come = start + len(answers) - delay
        while waiting and learnt + len(waiting[0].rows) <= come:
            first = waiting.popleft()
            part = slice(learnt, learnt + len(first.rows))
            given = None if sources is None else sources[part]
            if learner.block(Events(first, labels[part], given)).drifted:
                trace.drifts.append(start)
            learnt = part.stop
        trace.rows.append(start)
        trace.weights.append(learner.live.mixer.weights)
        progress(start + len(answers))
    trace.answers = np.concatenate(found)
    return trace
