"""Better in several respects at once: non-dominated layers (Deb et al. 2002, NSGA-II)."""

from collections.abc import Mapping

Scores = tuple[float, ...]  # one per objective, larger is better


def layers(scores: Mapping[int, Scores]) -> dict[int, int]:
    """The layer of each one by its number: 0 is the front, 1 the front of the rest, and so on.

    One is dominated by another that is as good in every respect and better in one. Of a single
    objective, the layers are the distinct values, the best first.
    """
    found: dict[int, int] = {}
    left, layer = dict(scores), 0
    while left:
        ahead = [n for n, s in left.items() if not any(_dominates(o, s) for o in left.values())]
        for number in ahead:
            found[number] = layer
            del left[number]
        layer += 1
    return found


def _dominates(one: Scores, other: Scores) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))
