"""Weights by class, against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigmodel.errors import UserError
from bigmodel.weighting.class_weights import EffectiveNumber, Inverse
from bigmodel.weighting.rows import Rows


def rows_of(*counts: int, others: int = 0) -> Rows:
    """Training rows with so many of each class, then rows of class 0 that do not train."""
    target = np.repeat(np.arange(len(counts)), counts)
    target = np.append(target, np.zeros(others, dtype=np.int64))
    names = tuple("abcdefgh"[: len(counts)])
    return Rows(target, names, np.arange(sum(counts)))


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
    order = np.argsort(counts, kind="stable")
    assert all(np.diff(np.array(weights)[order]) <= 1e-9), "a rarer class weighs less"


def test_only_training_rows_are_counted():
    few, many = rows_of(6, 3, 1), rows_of(6, 3, 1, others=90)
    weights = [by_class(Inverse().fit(rows).weight, rows) for rows in (few, many)]
    assert weights[0] == pytest.approx(weights[1])


def test_a_number_has_no_classes_to_balance():
    rows = Rows(np.array([0.1, 0.2], dtype=np.float32), (), np.arange(2))
    with pytest.raises(UserError, match="inverse balances classes, and the target is a number"):
        Inverse().fit(rows)


def test_a_class_without_training_rows_is_named():
    rows = Rows(np.array([0, 0, 1]), ("a", "b"), np.arange(2))
    with pytest.raises(UserError, match="the class 'b' has no training row"):
        Inverse().fit(rows)
