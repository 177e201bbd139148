"""Points between small, fast and good; the front of them, and the one to take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

from bigmodel.compression import latency, sizes
from bigmodel.compression.bound import Drop
from bigmodel.compression.candidate import Candidate
from bigmodel.compression.gate import Gate

_SECONDS = 0.3  # of timing, for each batch size
_AS_FAST = 0.95  # of the network's speed: what timing on a busy machine can tell apart


@dataclass(frozen=True)
class Point:
    """A candidate, how many times smaller it is, how many times as `fast` ("b1", "b64"), its loss.

    All against the uncompressed network in the same engine.
    """

    name: str
    candidate: Candidate
    size: float
    fast: dict[str, float]
    drop: Drop

    @property
    def speed(self) -> float:
        """The geometric mean of both batch sizes."""
        return math.sqrt(self.fast["b1"] * self.fast["b64"])


def point(
    name: str,
    candidate: Candidate,
    first: Candidate,
    gate: Gate,
    fast: dict[str, float] | None,
) -> Point:
    """Measure a candidate against the `first`; `fast` is what was timed before, if it was."""
    encoder = gate.work.data.prepared.encoder
    size = sizes.ratios(candidate.served, first.plain, encoder)["size_ratio"]
    if fast is None:
        fast = latency.speeds(candidate.served, first.plain, gate.work.rows, _SECONDS)
    return Point(name, candidate, size, fast, gate.drop(candidate))


def front(points: Sequence[Point]) -> list[Point]:
    """The points to which no other is better in size, speed and loss together."""

    def beats(one: Point, other: Point) -> bool:
        ours, theirs = _goods(one), _goods(other)
        return all(a >= b for a, b in zip(ours, theirs, strict=True)) and ours != theirs

    return [p for p in points if not any(beats(other, p) for other in points)]


def _goods(p: Point) -> tuple[float, ...]:
    return p.size, p.speed, -p.drop.value


def picked(
    points: Sequence[Point], objective: Literal["size", "latency", "both"], gate: Gate
) -> Point | None:
    """The best point that the gate accepts and that is not slower than the network was, or None.

    Points whose own bound is within the budget go before those of which only the estimate is. The
    gate's bound is that of all of them together: each of many has a chance to look good.
    """
    worth = {
        "size": lambda p: p.size,
        "latency": lambda p: p.speed,
        "both": lambda p: p.size * p.speed,
    }[objective]
    fast = [p for p in points if min(p.fast.values()) >= _AS_FAST]
    within = [
        p
        for p in sorted(fast, key=worth, reverse=True)
        if p.drop.value <= gate.max_drop
        and gate.drop(p.candidate, len(points)).accepted(gate.max_drop)
    ]
    proven = (p for p in within if p.drop.proven(gate.max_drop))
    return next(proven, None) or next(iter(within), None)


def table(points: Sequence[Point], best: Point | None, of_front: Sequence[Point]) -> None:
    """Print all points, the smallest first; the front and the one that is taken are marked."""
    shown = Table("", "point", "times smaller", "fast, 1 row", "64 rows", "loss", "at most")
    for p in sorted(points, key=lambda p: -p.size):
        mark = "taken" if p is best else "front" if p in of_front else ""
        figures = [p.size, p.fast["b1"], p.fast["b64"]]
        losses = [f"{value:.4f}" for value in (p.drop.value, p.drop.upper)]
        shown.add_row(mark, p.name, *(f"{value:.2f}" for value in figures), *losses)
    Console(width=100).print(shown)
