"""The figures of several processes as one set: plain lists that go over a pipe as JSON.

A figure is `[name, kind, text, how, samples]`, a sample `[name, labels, value]`. `how` says what
becomes of the values of two processes: their `sum`, or the greater of them (`max`).
"""

from collections.abc import Iterable
from typing import Any

Figure = list[Any]
Snapshot = list[Figure]


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """One set of figures; a sample that several have stands once in it."""
    figures: dict[str, Figure] = {}
    values: dict[str, dict[tuple[str, ...], list[Any]]] = {}
    for name, kind, text, how, samples in (figure for one in snapshots for figure in one):
        figures.setdefault(name, [name, kind, text, how])
        held = values.setdefault(name, {})
        for sample, labels, value in samples:
            which = (sample, *labels.values())
            if which not in held:
                held[which] = [sample, labels, value]
            else:
                both = (held[which][2], value)
                held[which][2] = sum(both) if how == "sum" else max(both)
    return [[*figure, list(values[name].values())] for name, figure in figures.items()]


def lasting(snapshot: Snapshot) -> Snapshot:
    """What a process leaves behind when it ends: counts never fall, what it was like then goes."""
    return [figure for figure in snapshot if figure[1] != "gauge"]
