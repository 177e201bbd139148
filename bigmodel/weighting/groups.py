"""Classes in three groups by their training rows: many, medium, few."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUPS = ("many", "medium", "few")
LONG_TAIL = 3.0  # largest by smallest class: below it, the groups would mean nothing


def groups(counts: NDArray[np.int64]) -> NDArray[np.str_]:
    """The group of each class, (C,): the third with most rows, the third with fewest, the rest.

    Each third is rounded down, but never empty; with two classes there is no `medium`.
    """
    side = max(1, len(counts) // 3)
    ranked = np.argsort(-counts, kind="stable")
    group = np.full(len(counts), "medium", dtype="<U6")
    group[ranked[:side]] = "many"
    group[ranked[-side:]] = "few"
    return group


def has_long_tail(counts: NDArray[np.int64]) -> bool:
    """Whether the classes are uneven enough for groups to mean something."""
    present = counts[counts > 0]
    return len(counts) > 2 and bool(present.max() > LONG_TAIL * present.min())


def by_group(counts: NDArray[np.int64], confusion: NDArray[Any]) -> dict[str, float]:
    """Mean recall and mean F1 of each group, `<group>_recall` and `<group>_f1`.

    `confusion` (C, C) has the truth in rows. Classes that do not occur in it count for nothing.
    """
    truth, said, hits = confusion.sum(1), confusion.sum(0), np.diag(confusion)
    found = {}
    for name in GROUPS:
        of = (groups(counts) == name) & (truth > 0)
        if of.any():
            found[f"{name}_recall"] = float((hits[of] / truth[of]).mean())
            found[f"{name}_f1"] = float((2 * hits[of] / (truth[of] + said[of])).mean())
    return found
