"""The search for the best point: several ways to get small, measured, of which one is taken."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Gt
from torch import nn

from bigmodel import files
from bigmodel.compression import figure
from bigmodel.compression.candidate import Candidate
from bigmodel.compression.gate import Gate
from bigmodel.compression.half import Half
from bigmodel.compression.int4 import Int4
from bigmodel.compression.int8 import Int8, Int8Dynamic
from bigmodel.compression.mixed import mixed_bits
from bigmodel.compression.points import Point, front, picked, point, table
from bigmodel.compression.qat import QuantisationAware
from bigmodel.compression.sparse import PruneUnstructured
from bigmodel.compression.step import Step, Unsupported
from bigmodel.compression.structured import PruneStructured
from bigmodel.compression.work import Work
from bigmodel.errors import UserError
from bigmodel.training import checkpoints

__all__ = ["Auto"]

STATE = "auto.json"  # in the run's directory of compression: what was timed
_LEAST_EPOCHS, _MOST_EPOCHS = 2, 24
_AS_IT_IS = ""
_FLOATS: dict[str, Step | None] = {"floats": None}
_FEW_BITS: dict[str, Step | None] = {"int8, 4-bit weights": Int8(bits=4), "4-bit weights": Int4()}
_CODINGS: dict[str, Step | None] = {"int8": Int8(), **_FEW_BITS}
# how each network is stored: what was trained for few bits gains nothing by more
CODINGS: dict[str, dict[str, Step | None]] = {
    _AS_IT_IS: {"fp16": Half(), "int8_dynamic": Int8Dynamic(), **_CODINGS},
    "4-bit training": _FEW_BITS,
    "80% zeros": _FLOATS | _CODINGS,
    "90% zeros": _FLOATS | _CODINGS,
    "half the width": _FLOATS | _CODINGS,
    "a quarter of the width": _FLOATS | _CODINGS,
}


@dataclass(frozen=True)
class Auto(Step):
    """Stores the network as it is in several ways, and those that a short fit makes of it.

    For each layer it is measured what fewer bits do to the outputs, and the layers that suffer
    least get fewer, as far as the gate allows. The short fits (rounding in training, zeros,
    narrower layers), taught by the network, take `effort` times the run's own epochs together.
    Of the points within `max_drop` that are not slower than the network was, the best by
    `objective` is taken; the bound is that of all points judged (Bonferroni).
    """

    trains: ClassVar[bool] = True

    max_drop: Annotated[float, Gt(0)]
    objective: Literal["size", "latency", "both"] = "both"
    effort: Annotated[float, Gt(0)] = 3.0

    def check(self, network: nn.Module | None, rows: int) -> None:
        """Enough rows; a network that does not train has fewer points."""
        Int8().check(network, rows)

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The best point within the budget."""
        search = Search(candidate, work, self.max_drop)
        for network_name, network in self._networks(candidate, work, name):
            search.codings(network_name, network)
        search.add("mixed bits", mixed_bits(candidate, search.gate))
        points = search.points
        best = picked(points, self.objective, search.gate)
        table(points, best, front(points))
        figure.plot(points, best, self.max_drop, Path(work.cfg.run_dir) / "figures")
        if best is None:
            nearest = min(points, key=lambda p: p.drop.upper)
            raise Unsupported(
                f"no point is within the budget; {nearest.name} comes nearest: "
                f"{search.gate.said(nearest.drop)}"
            )
        return best.candidate.with_figures(points=float(len(points)))

    def _networks(
        self, candidate: Candidate, work: Work, name: str
    ) -> Iterator[tuple[str, Candidate]]:
        """The network itself, and what short fits make of it."""
        yield _AS_IT_IS, candidate
        if not work.task.trains:
            return
        for title, step in _fits(self._epochs(work)).items():
            try:
                step.check(candidate.network, len(candidate.rows.numeric))
                made = step.apply(candidate, work, f"{name}_{title.replace(' ', '_')}")
            except (Unsupported, UserError) as reason:
                print(f"compression: {title} is left out: {reason}")
                continue
            yield title, made

    def _epochs(self, work: Work) -> int:
        """Of a fit: all of them together take `effort` times those of the run."""
        last = Path(work.cfg.run_dir) / "checkpoints" / checkpoints.LAST
        of_run = int(work.cfg.trainer.max_epochs)
        if last.is_file():
            of_run = max(1, int(checkpoints.load(last)["epoch"]))
        share = round(self.effort * of_run / _SHARES)
        return min(_MOST_EPOCHS, max(_LEAST_EPOCHS, share))


def _fits(epochs: int) -> dict[str, Step]:
    """The short fits by name; `_SHARES` of `epochs` together."""

    def narrower(ratio: float, epochs: int) -> Step:
        return PruneStructured(ratio=ratio, rounds=1, epochs=epochs, control=False)

    return {
        "4-bit training": QuantisationAware(bits=4, epochs=epochs),
        "80% zeros": PruneUnstructured(sparsity=0.8, epochs=epochs),
        "90% zeros": PruneUnstructured(sparsity=0.9, epochs=epochs),
        "half the width": narrower(0.5, epochs),
        # has more to learn again, in epochs that take a third of the time or less
        "a quarter of the width": narrower(0.75, 3 * epochs),
    }


_SHARES = 7


class Search:
    """Collects points; what was timed is remembered, so that a resumed run decides the same."""

    def __init__(self, first: Candidate, work: Work, max_drop: float) -> None:
        self.first, self.work = first, work
        self.gate = Gate(work, first, max_drop)
        self.points: list[Point] = []

    @cached_property
    def _timed(self) -> dict[str, dict[str, float]]:
        path = self.work.place / STATE
        known: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.is_file() else {}
        return known

    def codings(self, name: str, network: Candidate) -> None:
        """A point for each way to store a network."""
        for coding, step in CODINGS[name].items():
            title = f"{name}, {coding}" if name else coding
            self.add(title, network if step is None else self.coded(network, step))

    def coded(self, network: Candidate, step: Step) -> Candidate | None:
        """The network stored so; None where there is nothing to store so."""
        try:
            return step.apply(network, self.work, "")
        except Unsupported:
            return None

    def add(self, name: str, candidate: Candidate | None) -> None:
        """Measure a candidate."""
        if candidate is None:
            return
        made = point(name, candidate, self.first, self.gate, self._timed.get(name))
        self.points.append(replace(made, name=name))
        if name not in self._timed:
            self._timed[name] = made.fast
            files.write_json(self.work.place / STATE, self._timed)
