"""From the network's output to what the caller gets, number for number as `predict` gives it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.data.schema import Target
from bigmodel.learning.memo import Memos
from bigmodel.serving import records
from bigmodel.serving.parameters import Parameters
from bigmodel.serving.rows import Batch


@dataclass(frozen=True)
class Learned:
    """Of a model that keeps learning: the `version` that answered, and what to keep of the rows.

    `memos` is None where nothing is learnt any more.
    """

    version: str
    memos: Memos | None


@dataclass(slots=True)  # not frozen: there are many, and that would cost more than their content
class Answers:
    """`predictions` (n,) in the target's own type; `probabilities` (n, K), None for a number."""

    predictions: list[Any]
    probabilities: NDArray[np.float64] | None
    parameters: Parameters
    learned: Learned | None = None
    _objects: "Callable[[], list[dict[str, Any]]] | None" = None

    def parts(self, ends: Iterable[int]) -> "Iterator[Answers]":
        """Those up to each of the `ends`, of a model that does not learn."""
        table, start = self.probabilities, 0
        objects = cache(self.objects)  # of all, if anybody asks
        for end in ends:
            rows = slice(start, end)
            shares = None if table is None else table[rows]
            cut = partial(_cut, objects, rows)
            yield Answers(self.predictions[rows], shares, self.parameters, None, cut)
            start = end

    def objects(self) -> list[dict[str, Any]]:
        """One JSON object a row: `prediction`, and `probabilities` by class."""
        if self._objects is not None:
            return self._objects()
        table = self.probabilities
        if table is None or not self.parameters.probabilities:
            return [{"prediction": value} for value in self.predictions]
        classes, most = self.parameters.postprocess.target.classes, self.parameters.top_k
        shares: Iterable[dict[str, float]]
        if most is None:
            shares = [dict(zip(classes, row)) for row in table.tolist()]  # noqa: B905 (K of both)
        else:
            order = np.argsort(-table, axis=1, kind="stable")[:, :most]
            shares = [
                {classes[code]: row[code] for code in codes}
                for row, codes in zip(table.tolist(), order.tolist(), strict=True)
            ]
        return [
            {"prediction": value, "probabilities": share}
            for value, share in zip(self.predictions, shares, strict=True)
        ]

    def packed(self) -> bytes:
        """The same as the store keeps it of tensors: no object for each row."""
        classes = self.parameters.postprocess.target.classes
        return records.packed({"prediction": self.predictions}, classes, self.probabilities)


def _cut(objects: Callable[[], list[dict[str, Any]]], rows: slice) -> list[dict[str, Any]]:
    return objects()[rows]


class Answering:
    """Makes the answers for one target; its classes are made into their type once."""

    def __init__(self, target: Target, labels: list[Any]) -> None:
        self._regression, self._labels = target.task == "regression", labels

    def answers(self, batch: Batch, output: NDArray[np.float32], parameters: Parameters) -> Answers:
        """The answers to a batch, of whose rows the network's output is (n, n_outputs)."""
        post = parameters.postprocess
        if self._regression:
            return Answers(post.values(output).tolist(), None, parameters)
        probabilities = post.probabilities(output)
        if parameters.threshold is None:
            codes = post.codes(probabilities, batch.costs)
        else:
            codes = (probabilities[:, 1] >= parameters.threshold).astype(np.int64)
        labels = self._labels
        return Answers([labels[code] for code in codes.tolist()], probabilities, parameters)
