"""How much worse a smaller model is: a paired comparison on the same rows, with its bound.

Both models answer the same rows, so that what they have in common cancels out: the bound is far
tighter than that of two scores measured apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bigmodel.data.spec import ModelSpec
from bigmodel.training.metrics import split_metrics
from bigmodel.training.monitor import SMALLER_IS_BETTER

Floats = NDArray[np.floating[Any]]
CONFIDENCE = 0.95
_DRAWS, _FEW_DRAWS = 4000, 300  # resamples of the rows; fewer where one costs milliseconds
_BLOCK = 4_000_000  # numbers in memory at a time


@dataclass(frozen=True)
class Answers:
    """What a model says about rows: calibrated logits or values (n, K), the classes said (n,)."""

    output: NDArray[np.float32]
    said: NDArray[np.int64]


@dataclass(frozen=True)
class Drop:
    """The loss of a metric: its estimate `value`, and `upper`, the one-sided bound.

    Absolute for scores, relative for errors; below 0 where the smaller model is better. `rows` is
    the number of rows compared.
    """

    value: float
    upper: float
    rows: int

    def proven(self, most: float) -> bool:
        """Whether even the bound is within `most`."""
        return self.upper <= most

    def too_few(self, most: float) -> bool:
        """Whether these rows could not prove `most` though the models were equally good."""
        return self.upper - self.value > most

    def accepted(self, most: float) -> bool:
        """Proven; or within `most`, where there are too few rows to prove it."""
        return self.proven(most) or (self.too_few(most) and self.value <= most)

    def needed(self, most: float) -> int:
        """How many rows would prove a loss of 0: the bound narrows with their square root."""
        return int(np.ceil(self.rows * ((self.upper - self.value) / most) ** 2))


def drop(
    metric: str,
    spec: ModelSpec,
    target: NDArray[Any],
    before: Answers,
    after: Answers,
    tries: int = 1,
) -> Drop:
    """How much of `metric` (without its split) is lost from `before` to `after`.

    `target` (n,) are class codes, or standardised values. With several `tries`, of which the best
    is to be kept, the bound is that of Bonferroni. Accuracy has a closed form,
    mean(d) + z sd(d) / sqrt(n); the others are bootstrapped over rows, both models on the same
    draws (Efron 1979).
    """
    alpha = (1 - CONFIDENCE) / tries
    rows = len(target)
    if metric == "accuracy":
        lost = (before.said == target).astype(float) - (after.said == target)
        z = NormalDist().inv_cdf(1 - alpha)
        value = float(lost.mean())
        return Drop(value, value + z * float(lost.std(ddof=1)) / rows**0.5, rows)
    sample = _sampler(metric, spec, target, before, after)
    one, other = sample(None)
    draws = sample(np.random.default_rng(0))
    lost = _lost(metric, *draws)
    lost = lost[np.isfinite(lost)]
    value = float(_lost(metric, one, other)[0])
    return Drop(value, max(value, float(np.quantile(lost, 1 - alpha))), rows)


def _lost(metric: str, before: Floats, after: Floats) -> Floats:
    """Absolute for scores, relative for errors."""
    if metric in SMALLER_IS_BETTER:
        relative: Floats = (after - before) / np.maximum(np.abs(before), 1e-12)
        return relative
    return before - after


Sampler = Callable[[np.random.Generator | None], tuple[Floats, Floats]]


def _sampler(
    metric: str, spec: ModelSpec, target: NDArray[Any], before: Answers, after: Answers
) -> Sampler:
    """A function that gives the metric of both models, on the rows themselves or on resamples."""
    if metric in ("balanced_accuracy", "macro_f1") or metric.startswith("f1/"):
        return _of_counts(metric, spec, target, before, after)
    if metric in ("log_loss", "rmse", "mae"):
        return _of_means(metric, target, before, after)
    return _of_anything(metric, spec, target, before, after)


def _of_counts(
    metric: str, spec: ModelSpec, target: NDArray[Any], before: Answers, after: Answers
) -> Sampler:
    """Metrics of the confusion matrix: rows that are alike are drawn together."""
    cells, counts = np.unique(
        np.stack([target, before.said, after.said]), axis=1, return_counts=True
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
        if rng is not None:
            drawn = rng.multinomial(counts.sum(), counts / counts.sum(), _DRAWS).astype(np.float32)
        return score(drawn, said[0]), score(drawn, said[1])

    return sample


def _of_means(metric: str, target: NDArray[Any], before: Answers, after: Answers) -> Sampler:
    """Metrics that are a mean over rows, or its root."""
    losses = np.stack([_losses(metric, target, answers) for answers in (before, after)], 1)

    def sample(rng: np.random.Generator | None) -> tuple[Floats, Floats]:
        rows = len(losses)
        if rng is None:
            means = losses.mean(0, keepdims=True)
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
    metric: str, spec: ModelSpec, target: NDArray[Any], before: Answers, after: Answers
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
        if rng is not None:
            draws = [rng.integers(0, len(target), len(target)) for _ in range(_FEW_DRAWS)]
        found = np.array([[value(answers, rows) for answers in (before, after)] for rows in draws])
        return found[:, 0], found[:, 1]

    return sample
