"""Weights by class, against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigmodel.weighting.class_weights import EffectiveNumber, Inverse
from bigmodel.weighting.rows import Rows


def rows_of(*counts: int) -> Rows:
    """Training rows with so many of each class."""
    target = np.repeat(np.arange(len(counts)), counts)
    return Rows(target, tuple("abcdefgh"[: len(counts)]), np.arange(sum(counts)))


def by_class(weight: np.ndarray, rows: Rows) -> list[float]:
    return [float(weight[rows.target == code][0]) for code in range(len(rows.classes))]


def test_inverse_makes_classes_count_the_same():
    rows = rows_of(6, 3, 1)
    # 1/6, 1/3, 1 times 10/3: each class then adds up to 10/3
    expected = [10 / 18, 10 / 9, 10 / 3]
    assert by_class(Inverse().fit(rows).weight, rows) == pytest.approx(expected)


def test_half_the_power_goes_half_the_way():
    rows = rows_of(16, 4)
    # 1/4 and 1/2, scaled by 20 / (16/4 + 4/2)
    assert by_class(Inverse(power=0.5).fit(rows).weight, rows) == pytest.approx([10 / 12, 10 / 6])


def test_effective_number_with_a_given_beta():
    rows = rows_of(3, 1)
    # beta .5: (1 - .5) / (1 - .125) = 4/7 and (1 - .5) / (1 - .5) = 1; scaled by 4 / (12/7 + 1)
    scale = 4 / (12 / 7 + 1)
    weight = EffectiveNumber(beta=0.5).fit(rows).weight
    assert by_class(weight, rows) == pytest.approx([4 / 7 * scale, scale])


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((900_000, 700_000, 60_000), (1, 1.2, 9.8)), ((5000, 500, 50), (1, 6.6, 63.5))],
)
def test_effective_number_finds_its_beta_by_the_data(counts, expected):
    rows = rows_of(*counts)
    weights = by_class(EffectiveNumber().fit(rows).weight, rows)
    assert [w / weights[0] for w in weights] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("strategy", [Inverse(), Inverse(power=0.5), EffectiveNumber()])
@given(counts=st.lists(st.integers(1, 500), min_size=2, max_size=8))
def test_the_mean_weight_of_training_rows_is_one(strategy, counts):
    rows = rows_of(*counts)
    weight = strategy.fit(rows).weight
    assert weight.mean() == pytest.approx(1)
    weights = by_class(weight, rows)
    assert np.dot(counts, weights) == pytest.approx(sum(counts))
    order = np.argsort(counts, kind="stable")
    assert all(np.diff(np.array(weights)[order]) <= 1e-9), "a rarer class weighs less"


@pytest.mark.parametrize("strategy", [Inverse(), EffectiveNumber()])
@given(others=st.lists(st.integers(0, 2), max_size=60), seed=st.integers(0, 99))
def test_labels_outside_train_change_no_weight(strategy, others, seed):
    labels = np.array([0] * 6 + [1] * 3 + [2] + others)
    train = np.random.default_rng(seed).permutation(len(labels))  # each row's place in the table
    target = np.empty_like(labels)
    target[train] = labels
    rows = Rows(target, ("a", "b", "c"), np.sort(train[:10]))
    alone = rows_of(6, 3, 1)
    expected = by_class(strategy.fit(alone).weight, alone)
    assert by_class(strategy.fit(rows).weight, rows) == pytest.approx(expected)
