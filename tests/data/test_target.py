import numpy as np
import pytest

N = 40


def table(write, prepared, labels, **settings):
    rows = "".join(f"{i},{labels[i % len(labels)]}\n" for i in range(N))
    return prepared(write("x,y\n" + rows), **settings)


@pytest.mark.parametrize(
    ("labels", "task", "classes", "dtype"),
    [
        (["no", "yes"], "binary", ("no", "yes"), "str"),
        (["b", "a", "c"], "multiclass", ("a", "b", "c"), "str"),
        ([1, 0], "binary", ("0", "1"), "int64"),
        ([0.0, 1.0], "binary", ("0", "1"), "float64"),
        ([0.5, 1.5], "binary", ("0.5", "1.5"), "float64"),
        ([10, 9, 2], "multiclass", ("2", "9", "10"), "int64"),
        ([10.0, 9.0, 2.0], "multiclass", ("2", "9", "10"), "float64"),
        (["true", "false"], "binary", ("False", "True"), "bool"),
        (["010", "02"], "binary", ("010", "02"), "str"),
        ([0.5, 1.5, 2.0], "regression", (), "float64"),
        (list(range(21)), "regression", (), "int64"),
        (list(range(20)), "multiclass", tuple(map(str, range(20))), "int64"),
    ],
)
def test_task_and_classes_follow_from_the_labels(write, prepared, labels, task, classes, dtype):
    target = table(write, prepared, labels).schema.target
    assert (target.task, target.classes, target.dtype) == (task, classes, dtype)


def test_codes_are_the_places_of_the_classes(write, prepared):
    found = table(write, prepared, ["b", "a", "c"])
    assert found.target.dtype == np.int64
    assert found.target[:4].tolist() == [1, 0, 2, 1]


def test_the_users_task_counts(write, prepared):
    assert table(write, prepared, [1, 2, 3], task="regression").schema.target.task == "regression"
    assert table(write, prepared, ["a", "b"], task="multiclass").schema.target.n_outputs == 2


def test_a_regression_is_standardised_by_its_training_rows(write, prepared):
    found = table(write, prepared, [0.5 * i**2 for i in range(N)])
    target, values = found.schema.target, 0.5 * np.arange(N) ** 2
    train = values[found.split == 0]
    assert target.offset == pytest.approx(train.mean())
    assert target.scale == pytest.approx(train.std())
    restored = target.offset + target.scale * found.target
    np.testing.assert_allclose(restored, values, rtol=1e-4, atol=1e-3)
    assert found.target.dtype == np.float32


def test_the_summary_says_which_task_was_chosen(write, prepared):
    quality = table(write, prepared, ["a", "b", "c"]).quality
    assert quality["target"] == {"name": "y", "task": "multiclass"}
