"""From the network's output to what the caller gets, number for number as `predict` gives it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.postprocess import Postprocess
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
    """`predictions` (n,) in the target's own type; `probabilities` (n, K), None for a number.

    `abstains` (n,) says which predictions are too unsure for who has asked, who may not care.
    """

    predictions: list[Any]
    probabilities: NDArray[np.float64] | None
    parameters: Parameters
    abstains: NDArray[np.bool_] | None = None
    learned: Learned | None = None
    _part: "tuple[Callable[[], list[dict[str, Any]]], slice] | None" = None  # the objects of all

    def parts(self, ends: Iterable[int]) -> "Iterator[Answers]":
        """Those up to each of the `ends`, of a model that does not learn."""
        table, start = self.probabilities, 0
        objects = cache(self.objects)  # of all, if anybody asks
        for end in ends:
            rows = slice(start, end)
            shares = None if table is None else table[rows]
            unsure = None if self.abstains is None else self.abstains[rows]
            part = objects, rows
            yield Answers(self.predictions[rows], shares, self.parameters, unsure, None, part)
            start = end

    def objects(self) -> list[dict[str, Any]]:
        """One JSON object a row: `prediction`, and what was asked for beside it."""
        if self._part is not None:
            objects, rows = self._part
            return objects()[rows]
        found = self._told()
        if self.abstains is not None:
            for one, abstains in zip(found, self.abstains.tolist(), strict=True):
                one["abstains"] = abstains
        return found

    def _told(self) -> list[dict[str, Any]]:
        """`prediction`, and `probabilities` by class."""
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


class Answering:
    """Makes the answers of one bundle; its classes are made into their type once."""

    def __init__(self, postprocess: Postprocess) -> None:
        target = postprocess.target
        self._regression = target.task == "regression"
        self.labels = postprocess.labels(np.arange(len(target.classes))).tolist()

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
        labels = self.labels
        predictions, least = [labels[code] for code in codes.tolist()], parameters.abstain_below
        abstains = None if least is None else probabilities.max(axis=1) < least
        return Answers(predictions, probabilities, parameters, abstains)
