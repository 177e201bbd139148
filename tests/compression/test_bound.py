"""The loss of a smaller model, and its bound."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from bigmodel.compression.bound import drop
from bigmodel.compression.resample import Answers
from bigmodel.data.spec import ModelSpec

CLASSES = ("a", "b", "c")
SPEC = ModelSpec(1, (), "multiclass", 3, CLASSES, 10)
NUMBER = ModelSpec(1, (), "regression", 1, (), 10)


def answers(rows: int, noise: float, seed: int = 1) -> tuple[np.ndarray, Answers]:
    """Classes, and logits that know them but for noise."""
    target = np.random.default_rng(0).integers(0, 3, rows)
    draws = np.random.default_rng(seed).normal(size=(rows, 3))
    logits = (2 * np.eye(3)[target] + noise * draws).astype(np.float32)
    return target, Answers(logits, logits.argmax(1))


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "f1/b", "log_loss", "auroc"])
def test_the_same_answers_lose_nothing_for_certain(metric):
    target, same = answers(200, 1.0)
    found = drop(metric, SPEC, target, same, same)
    assert (found.value, found.upper) == (0, 0)
    assert found.proven(1e-9)


def test_the_estimates_are_the_metrics():
    target, good = answers(400, 1.0)
    _, bad = answers(400, 1.6, seed=2)
    scores = {
        "accuracy": lambda a: (a.said == target).mean(),
        "macro_f1": lambda a: f1_score(target, a.said, average="macro"),
        "balanced_accuracy": lambda a: balanced_accuracy_score(target, a.said),
        "f1/b": lambda a: f1_score(target, a.said, average=None)[1],
    }
    for metric, score in scores.items():
        found = drop(metric, SPEC, target, good, bad)
        assert found.value == pytest.approx(score(good) - score(bad), abs=1e-6), metric
        assert found.upper > found.value > 0
    losses = [log_loss(target, np.exp(a.output) / np.exp(a.output).sum(1, keepdims=True))
              for a in (good, bad)]  # fmt: skip
    relative = (losses[1] - losses[0]) / losses[0]
    assert drop("log_loss", SPEC, target, good, bad).value == pytest.approx(relative, rel=1e-5)


def test_errors_count_relatively():
    target = np.random.default_rng(0).normal(size=500).astype(np.float32)
    off = np.random.default_rng(1).normal(size=500).astype(np.float32)
    one, other = (
        Answers((target + size * off)[:, None], np.zeros(500, int)) for size in (0.1, 0.11)
    )
    for metric in ("rmse", "mae"):
        found = drop(metric, NUMBER, target, one, other)
        assert found.value == pytest.approx(0.1, rel=1e-3)
        assert found.proven(0.11)  # the same errors, scaled: no noise between the two


def test_noise_neither_hides_nor_invents_a_loss():
    """Of equally good models, a true loss of 0 is below the bound in 95 of 100 draws, or more."""
    covered = 0
    for seed in range(100):
        target, one = answers(300, 1.2, seed=2 * seed + 10)
        _, other = answers(300, 1.2, seed=2 * seed + 11)
        covered += drop("macro_f1", SPEC, target, one, other).upper >= 0
    assert covered >= 90


def test_too_few_rows_are_judged_by_the_estimate_and_many_by_the_bound():
    few_target, few = answers(60, 1.2)
    few_after = Answers(few.output, few.said.copy())
    wrong = np.flatnonzero(few_target != few.said)
    right = np.flatnonzero(few_target == few.said)
    few_after.said[right[:2]] = (few.said[right[:2]] + 1) % 3
    few_after.said[wrong[:2]] = few_target[wrong[:2]]  # as many gains as losses
    found = drop("accuracy", SPEC, few_target, few, few_after)
    assert found.accepted(0.005)
    assert not found.proven(0.005)
    assert found.needed(0.005) > 60
    target, many = answers(20_000, 1.2)
    worse = many.said.copy()
    right = np.flatnonzero(worse == target)[:90]  # 0.45 points of 0.5 that are allowed
    worse[right] = (worse[right] + 1) % 3
    found = drop("accuracy", SPEC, target, many, Answers(many.output, worse))
    assert found.value == pytest.approx(0.0045)
    assert found.upper > 0.005
    assert not found.accepted(0.005)


def test_several_tries_need_more():
    target, one = answers(300, 1.2)
    _, other = answers(300, 1.2, seed=5)
    for metric in ("accuracy", "macro_f1"):
        assert (
            drop(metric, SPEC, target, one, other, 10).upper
            > drop(metric, SPEC, target, one, other).upper
        )


@pytest.mark.parametrize(
    "metric",
    [
        "accuracy",
        "log_loss",
        *(pytest.param(m, marks=pytest.mark.slow) for m in ("macro_f1", "auroc")),
    ],
)
def test_rows_of_one_origin_count_as_one(metric):
    """Each row eight times says no more than once; as rows of their own they seem to."""
    target, one = answers(150, 1.2)
    _, other = answers(150, 1.2, seed=5)
    often = [Answers(a.output.repeat(8, 0), a.said.repeat(8)) for a in (one, other)]
    groups = np.arange(150).repeat(8)
    single = drop(metric, SPEC, target, one, other)
    grouped = drop(metric, SPEC, target.repeat(8), *often, groups=groups)
    naive = drop(metric, SPEC, target.repeat(8), *often)
    assert grouped.value == pytest.approx(single.value, abs=1e-6)
    width, right, wrong = (d.upper - d.value for d in (single, grouped, naive))
    assert right == pytest.approx(width, rel=0.25)
    assert wrong < 0.6 * width
