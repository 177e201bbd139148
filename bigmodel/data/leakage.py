"""Columns that tell the target alone: usually they were written after it was known."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from bigmodel.data.encodings import numbers
from bigmodel.data.schema import Task

SUSPICIOUS = 0.97  # of 1, on rows that were not looked at before
_SAMPLE = 10_000  # rows: enough to tell 0.97 from 0.9
_FEWEST = 50
_FEW_VALUES = 50  # distinct numbers up to which they are looked up like categories


def suspects(features: pd.DataFrame, labels: NDArray[Any], task: Task) -> dict[str, float]:
    """The columns that predict the target alone, with how well they do.

    Half of a sample answers for the other half: rows with the same value, or the row with the
    nearest number. Scored by the mean recall of the classes, stretched so that 0 is chance and 1
    perfect, or by the explained share of variance.
    """
    if len(features) < _FEWEST:
        return {}
    rows = np.random.default_rng(0).permutation(len(features))[:_SAMPLE]
    sample, labels = features.iloc[rows], labels[rows]
    half = len(rows) // 2
    found = {}
    for name in sample.columns:
        answer = _answers(sample[name], labels[:half], task)
        score = _variance_explained if task == "regression" else _recall
        value = score(answer, labels[half:])
        if value >= SUSPICIOUS:
            found[str(name)] = round(value, 4)
    return found


def _answers(values: "pd.Series[Any]", known: NDArray[Any], task: Task) -> NDArray[Any]:
    """What the first rows, with the `known` labels, say of the others by this column alone."""
    half = len(known)
    codes, distinct = pd.factorize(values)
    if len(distinct) <= _FEW_VALUES or not is_numeric_dtype(values):
        return _looked_up(codes[:half], known, codes[half:], task)
    found = numbers(values)
    found = np.where(np.isnan(found), np.nanmin(found) - np.nanmax(np.abs(found)) - 1, found)
    return _nearest(found[:half], known, found[half:])


def _looked_up(
    cells: NDArray[Any], known: NDArray[Any], asked: NDArray[Any], task: Task
) -> NDArray[Any]:
    """The mean of the equal ones, or the class that is most over-represented among them."""
    if task == "regression":
        means = pd.Series(known).groupby(cells).mean()
        answer = pd.Series(asked).map(means).fillna(float(known.mean()))
    else:
        votes = pd.crosstab(cells, known)
        answer = pd.Series(asked).map((votes / votes.sum()).idxmax(axis=1)).fillna(-1)
    return answer.to_numpy()


def _nearest(given: NDArray[Any], known: NDArray[Any], asked: NDArray[Any]) -> NDArray[Any]:
    order = np.argsort(given, kind="stable")
    given, known = given[order], known[order]
    right = np.searchsorted(given, asked).clip(1, len(given) - 1)
    nearer_left = asked - given[right - 1] <= given[right] - asked
    return np.asarray(known[right - nearer_left])


def _recall(answer: NDArray[Any], truth: NDArray[Any]) -> float:
    hits = pd.Series(answer == truth).groupby(truth).mean()
    chance = 1 / len(hits)
    return float((hits.mean() - chance) / (1 - chance)) if len(hits) > 1 else 0.0


def _variance_explained(answer: NDArray[Any], truth: NDArray[Any]) -> float:
    variance = float(truth.var())
    return 1 - float(((answer - truth) ** 2).mean()) / variance if variance > 0 else 0.0
