"""In which bin of its training histogram the value of a cell is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.reference import CONFIDENCE, PREDICTION, Answered
from bigmodel.data.schema import Column, Schema
from bigmodel.serving import cells

Codes = NDArray[np.int16]  # of bins; NONE: not to be counted
NONE = -1
ORDERED = ("numeric", "datetime", "text")  # kinds whose bins are in the order of their values
MOVING = "datetime"  # new times always lie beyond those of training: nobody is alarmed by that


@dataclass(frozen=True)
class Bins:
    """The bins of one column: those of its histogram, then one of what it lacks, then missing.

    `training` (bins,) are the training rows in each. For numbers there is a bin below their range
    and one above it, for categories one for those that the histogram does not name. `codes` takes
    cells to the codes of their bins, (n,).
    """

    name: str
    kind: str
    training: NDArray[np.float64]
    codes: Callable[[Sequence[Any]], Codes]


def of_columns(columns: Mapping[str, Column]) -> list[Bins]:
    """The bins of what rows hold; nothing for images, and columns without a histogram."""
    return [made for column in columns.values() if (made := _of(column)) is not None]


def of_answers(answered: Answered, schema: Schema, labels: Sequence[Any]) -> list[Bins]:
    """The bins of answers (`{"prediction": ..., "probabilities": ...}`), where a bundle has any.

    `labels` are the classes as they are answered, in the order of `schema.target.classes`.
    """
    found = []
    for column in answered:
        made = _of(column)
        if made is None:
            continue
        if column.name == PREDICTION:
            texts = dict(zip(labels, schema.target.classes, strict=True))
            read = _predictions(made.codes, texts)
        else:
            assert column.name == CONFIDENCE
            read = _confidences(made.codes)
        found.append(Bins(made.name, made.kind, made.training, read))
    return found


def _of(column: Column) -> Bins | None:
    histogram = column.histogram
    if histogram is None or not sum(histogram["counts"]):
        return None
    counts = np.array(histogram["counts"], dtype=np.float64)
    missing = counts.sum() * column.missing_rate / max(1 - column.missing_rate, 1e-9)
    if "edges" in histogram:
        training = np.array([0.0, *counts, 0.0, missing])
        read = _numbers(column, np.array(histogram["edges"], dtype=np.float64))
        return Bins(column.name, column.kind, training, read)
    names = histogram["categories"]
    named = [name for name in names if name]  # "": all others together
    rest = counts[len(named) :].sum()
    training = np.array([*counts[: len(named)], rest, missing])
    return Bins(column.name, column.kind, training, _categories(column, named))


def _numbers(column: Column, edges: NDArray[np.float64]) -> Callable[[Sequence[Any]], Codes]:
    def codes(given: Sequence[Any]) -> Codes:
        if column.kind == "text":
            values = np.array([len(text) if text else np.nan for text in given], dtype=np.float64)
        else:
            values = cells.numbers(given, column, _place)
        found = np.searchsorted(edges, values, side="right").astype(np.int16)
        found[values == edges[-1]] = len(edges) - 1  # the last bin has both its edges
        found[np.isnan(values)] = len(edges) + 1
        return found

    return codes


def _categories(column: Column, named: list[str]) -> Callable[[Sequence[Any]], Codes]:
    known: dict[str | None, int] = {name: code for code, name in enumerate(named)}
    known[None] = len(named) + 1

    def codes(given: Sequence[Any]) -> Codes:
        texts: Sequence[str | None]
        if column.kind == "boolean":
            flags = cells.numbers(given, column, _place).tolist()
            texts = [{0.0: "false", 1.0: "true"}.get(flag) for flag in flags]
        else:
            texts = cells.categories(given, column, _place)
        return np.array([known.get(text, len(named)) for text in texts], dtype=np.int16)

    return codes


def _predictions(
    codes: Callable[[Sequence[Any]], Codes], texts: Mapping[Any, str]
) -> Callable[[Sequence[Any]], Codes]:
    def of(answers: Sequence[Any]) -> Codes:
        given = [answer["prediction"] for answer in answers]
        return codes([texts.get(value, value) for value in given] if texts else given)

    return of


def _confidences(codes: Callable[[Sequence[Any]], Codes]) -> Callable[[Sequence[Any]], Codes]:
    def of(answers: Sequence[Any]) -> Codes:
        told = [answer.get("probabilities") for answer in answers]
        found = codes([max(shares.values()) if shares else None for shares in told])
        found[[not shares for shares in told]] = NONE  # the caller did not want them
        return found

    return of


def _place(row: int, column: str) -> str:
    return f"{column}[{row}]"  # never shown: the rows were answered, so their cells fit
