"""Classes in three groups, and how well each group is found."""

import numpy as np
import pytest

from bigmodel.weighting.groups import by_group, groups, has_long_tail


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([9, 1], ["many", "few"]),
        ([5, 50, 500], ["few", "medium", "many"]),
        ([40, 30, 20, 10, 8, 6, 4, 2], ["many"] * 2 + ["medium"] * 4 + ["few"] * 2),
        ([7, 7, 7, 7], ["many", "medium", "medium", "few"]),
    ],
)
def test_a_third_each_and_never_none(counts, expected):
    assert groups(np.array(counts)).tolist() == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([90, 30, 30], False), ([91, 30, 30], True), ([99, 1], False), ([9, 9, 0], False)],
)
def test_even_classes_are_not_grouped(counts, expected):
    assert has_long_tail(np.array(counts)) is expected


def test_recall_and_f1_of_a_group_are_the_mean_of_its_classes():
    truth_by_answer = np.array([[8, 2, 0, 0], [0, 6, 0, 0], [1, 0, 3, 0], [0, 0, 1, 1]])
    found = by_group(np.array([100, 50, 20, 10]), truth_by_answer)
    assert found == pytest.approx(
        {
            "many_recall": 0.8,
            "many_f1": 16 / 19,  # 2 * 8 / (10 + 9)
            "medium_recall": (1 + 3 / 4) / 2,
            "medium_f1": (12 / 14 + 6 / 8) / 2,
            "few_recall": 0.5,
            "few_f1": 2 / 3,
        }
    )


def test_a_class_without_rows_to_judge_counts_for_nothing():
    truth_by_answer = np.array([[4, 0, 0], [1, 1, 0], [0, 0, 0]])
    found = by_group(np.array([9, 5, 1]), truth_by_answer)
    assert found == pytest.approx(
        {"many_recall": 1, "many_f1": 8 / 9, "medium_recall": 0.5, "medium_f1": 2 / 3}
    )
