"""A metric of two models on the same rows, and on resamples of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bigmodel.data.spec import ModelSpec
from bigmodel.training.metrics import split_metrics

Floats = NDArray[np.floating[Any]]
Groups = NDArray[np.integer[Any]]
_DRAWS, _FEW_DRAWS = 4000, 300  # resamples; fewer where one costs milliseconds
_BLOCK = 4_000_000  # numbers in memory at a time


@dataclass(frozen=True)
class Answers:
    """What a model says about rows: calibrated logits or values (n, K), the classes said (n,)."""

    output: NDArray[np.float32]
    said: NDArray[np.int64]


Sampler = Callable[[np.random.Generator | None], tuple[Floats, Floats]]


def sampler(
    metric: str,
    spec: ModelSpec,
    target: NDArray[Any],
    before: Answers,
    after: Answers,
    groups: Groups | None = None,
) -> Sampler:
    """A function that gives the metric of both models, on the rows themselves or on resamples."""
    if metric in ("balanced_accuracy", "macro_f1") or metric.startswith("f1/"):
        return _of_counts(metric, spec, target, before, after, groups)
    if metric in ("log_loss", "rmse", "mae"):
        return _of_means(metric, target, before, after, groups)
    return _of_anything(metric, spec, target, before, after, groups)


def _of_counts(
    metric: str,
    spec: ModelSpec,
    target: NDArray[Any],
    before: Answers,
    after: Answers,
    groups: Groups | None,
) -> Sampler:
    """Metrics of the confusion matrix: rows that are alike are drawn together."""
    cells, cell, counts = np.unique(
        np.stack([target, before.said, after.said]), axis=1, return_inverse=True, return_counts=True
    )
    truth, *said = (row[:, None] == np.arange(spec.n_outputs) for row in cells)

    def score(drawn: Floats, predicted: NDArray[np.bool_]) -> Floats:
        actual, guessed = drawn @ truth, drawn @ predicted
        hits = drawn @ (truth & predicted)
        if metric == "balanced_accuracy":
            recall: Floats = hits / np.where(actual > 0, actual, np.nan)
            return np.asarray(np.nanmean(recall, axis=1))
        both = actual + guessed
        f1: Floats = 2 * hits / np.where(both > 0, both, np.nan)
        if metric == "macro_f1":
            return np.asarray(np.nanmean(f1, axis=1))
        own: Floats = np.nan_to_num(f1[:, spec.classes.index(metric.removeprefix("f1/"))])
        return own

    def sample(rng: np.random.Generator | None) -> tuple[Floats, Floats]:
        drawn = counts[None].astype(np.float32)
        if rng is not None and groups is None:
            drawn = rng.multinomial(counts.sum(), counts / counts.sum(), _DRAWS).astype(np.float32)
        elif rng is not None and groups is not None:
            group, sums = _empty(groups, len(counts))
            np.add.at(sums, (group, cell.ravel()), 1)
            drawn = _of_groups(sums, rng)
        return score(drawn, said[0]), score(drawn, said[1])

    return sample


def _of_means(
    metric: str, target: NDArray[Any], before: Answers, after: Answers, groups: Groups | None
) -> Sampler:
    """Metrics that are a mean over rows, or its root."""
    losses = np.stack([_losses(metric, target, answers) for answers in (before, after)], 1)

    def sample(rng: np.random.Generator | None) -> tuple[Floats, Floats]:
        rows = len(losses)
        if rng is None:
            means = losses.mean(0, keepdims=True)
        elif groups is not None:
            group, sums = _empty(groups, 3)
            np.add.at(sums, group, np.column_stack([losses, np.ones(rows)]))
            drawn = _of_groups(sums, rng)
            means = drawn[:, :2] / drawn[:, 2:]
        else:
            at_once = max(1, _BLOCK // rows)
            sizes = [min(at_once, _DRAWS - start) for start in range(0, _DRAWS, at_once)]
            means = np.concatenate(
                [losses[rng.integers(0, rows, (size, rows))].mean(1) for size in sizes]
            )
        means = np.sqrt(means) if metric == "rmse" else means
        return means[:, 0], means[:, 1]

    return sample


def _losses(metric: str, target: NDArray[Any], answers: Answers) -> NDArray[np.float64]:
    output = answers.output.astype(np.float64)
    if metric == "log_loss":
        shifted = output - output.max(1, keepdims=True)
        own = shifted[np.arange(len(target)), target]
        result: NDArray[np.float64] = np.log(np.exp(shifted).sum(1)) - own
        return result
    off: NDArray[np.float64] = output[:, 0] - target
    return off**2 if metric == "rmse" else np.abs(off)


def _of_anything(
    metric: str,
    spec: ModelSpec,
    target: NDArray[Any],
    before: Answers,
    after: Answers,
    groups: Groups | None,
) -> Sampler:
    """Any other metric of a split, computed anew for each resample."""

    def value(answers: Answers, rows: NDArray[np.int64]) -> float:
        said = torch.from_numpy(answers.said[rows]) if spec.classes else None
        given = (torch.from_numpy(array[rows]) for array in (answers.output, target))
        output, wanted = given
        return split_metrics(spec, output, wanted, said).get(metric, float("nan"))

    def sample(rng: np.random.Generator | None) -> tuple[Floats, Floats]:
        everything = np.arange(len(target))
        draws = [everything]
        if rng is not None and groups is None:
            draws = [rng.integers(0, len(target), len(target)) for _ in range(_FEW_DRAWS)]
        elif rng is not None and groups is not None:
            every = [np.flatnonzero(groups == group) for group in np.unique(groups)]
            draws = [
                np.concatenate([every[i] for i in rng.integers(0, len(every), len(every))])
                for _ in range(_FEW_DRAWS)
            ]
        found = np.array([[value(answers, rows) for answers in (before, after)] for rows in draws])
        return found[:, 0], found[:, 1]

    return sample


def _empty(groups: Groups, width: int) -> tuple[NDArray[np.int64], Floats]:
    """The number of each row's group, (n,), and zeros (groups, width) to sum into."""
    _, group = np.unique(groups, return_inverse=True)
    return group, np.zeros((int(group.max()) + 1, width))


def _of_groups(sums: Floats, rng: np.random.Generator) -> Floats:
    """The sums (groups, k), added up over resamples of as many groups as there are, (draws, k)."""
    count = len(sums)
    at_once = max(1, _BLOCK // count)
    sizes = [min(at_once, _DRAWS - start) for start in range(0, _DRAWS, at_once)]
    shares = np.full(count, 1 / count)
    found: Floats = np.concatenate([rng.multinomial(count, shares, size) @ sums for size in sizes])
    return found
