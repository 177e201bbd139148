"""Structured pruning: whole neurons and channels go, and a smaller dense network stays."""

import copy
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Lt
from torch import nn

from bigmodel.compression import groups, heads
from bigmodel.compression.candidate import Candidate
from bigmodel.compression.control import control
from bigmodel.compression.scores import Score, scores
from bigmodel.compression.step import Step, Unsupported
from bigmodel.compression.tune import tune
from bigmodel.compression.work import Work

__all__ = ["PruneStructured"]

_LEAST = 0.2  # softened below that, it is not worth a fit


@dataclass(frozen=True)
class PruneStructured(Step):
    """The share `ratio` of each group's width, and of the heads, goes in `rounds` of equal shares.

    A group is what has to keep the same width (DepGraph: Fang et al. 2023, arXiv 2301.12900);
    widths stay multiples of `round_to`. After each round the network is trained for `epochs`,
    taught by the network as it was. `score` says what goes first: small weights (`magnitude`), a
    small change of the loss (`taylor`, Molchanov et al. 2019, 1906.10771), or weights that training
    drives towards zero (`movement`, Sanh et al. 2020, 2005.07683).

    With `control`, the same shape is also trained from scratch, as the run was; the better of the
    two stays.
    """

    trains: ClassVar[bool] = True

    ratio: Annotated[float, Gt(0), Lt(1)] = 0.5
    score: Score = "taylor"
    rounds: Annotated[int, Gt(0)] = 2
    epochs: Annotated[int, Gt(0)] = 8
    lr: Annotated[float, Gt(0)] = 2e-3
    round_to: Annotated[int, Ge(1)] = 8
    control: bool = True

    def check(self, network: nn.Module | None, rows: int) -> None:
        """Torch-Pruning is there."""
        super().check(network, rows)
        groups.library()

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The narrower network."""
        network = copy.deepcopy(candidate.network)
        inputs = groups.inputs(candidate.rows)
        before = heads.counts(network)
        roots, refused = groups.prunable(network, inputs)
        refused = [layer for layer in refused if layer.rpartition(".")[0] not in before]
        named = f"cannot get narrower: {', '.join(refused) or 'the head, which is all there is'}"
        if not roots and not before:
            raise Unsupported(named)
        if refused:
            print(f"compression: {name}: {named}")
        keep = (1 - self.ratio) ** (1 / self.rounds)
        for number in range(1, self.rounds + 1):
            found = scores(network, work, self.score, f"{name}_scores_{number}")
            groups.prune(network, inputs, roots, found, 1 - keep, self.round_to)
            heads.prune(network, found, heads.left(before, keep**number))
            tune(network, work, f"{name}_round_{number}", epochs=self.epochs, lr=self.lr)
        narrower = candidate.with_network(network)
        return control(narrower, work, f"{name}_control") if self.control else narrower

    def softer(self, candidate: Candidate) -> "Step | None":
        """Half the ratio."""
        return replace(self, ratio=self.ratio / 2) if self.ratio / 2 >= _LEAST else None

    def __str__(self) -> str:
        return f"{self.ratio:.0%} of the width, by {self.score}"
