"""Wrong targets for training: each gets one line that names the place, the mistake and the fix."""

import pytest
from good_table import GOOD


def test_a_target_that_is_no_column(complaint, write):
    assert complaint(write(GOOD), target="Y") == (
        "data.target: the table has no column 'Y'; did you mean 'y'?"
    )
    assert complaint(write(GOOD), target="label") == (
        "data.target: the table has no column 'label'; it has n, x, y"
    )


def test_an_empty_target(complaint, write):
    path = write(GOOD + "41,0.1,\n42,0.2,\n")
    assert complaint(path) == (
        f"{path}: line 42: the target 'y' is empty (2 such rows in all); "
        "fill it in, or remove these rows"
    )


def test_a_wholly_empty_target(complaint, write):
    path = write("n,y,x\n" + "1,,2\n" * 9)
    assert complaint(path).startswith(f"{path}: line 2: the target 'y' is empty (9 such rows")


@pytest.mark.parametrize("value", ["a", "3", "0.5", "true"])
def test_a_constant_target(complaint, write, value):
    path = write("n,y\n" + "".join(f"{i},{value}\n" for i in range(20)))
    shown = {"true": "True"}.get(value, value)
    assert complaint(path) == (
        f"{path}: the target 'y' has the same value {shown} in every row; "
        "name a column that varies with data.target="
    )


def test_a_target_that_is_different_in_every_row(complaint, write):
    path = write("n,y\n" + "".join(f"{i % 3},name{i}\n" for i in range(20)))
    assert complaint(path) == (
        f"{path}: the target 'y' is different in every row, so nothing can be learnt from it; "
        "name a column of classes with data.target="
    )


def test_numbers_that_are_all_different_are_no_classes(complaint, write):
    path = write("n,y\n" + "".join(f"{i % 3},{i}\n" for i in range(20)))
    assert "different in every row" in complaint(path, task="multiclass")


def test_a_target_of_mixed_types(complaint, write):
    path = write("n,y\n" + "".join(f"{i},{i % 4}\n" for i in range(20)) + "21,high\n")
    assert complaint(path) == (
        f"{path}: line 22: the target 'y' mixes types: 'high' is not of the type of the other "
        "labels; correct it, or set data.task=multiclass to take all as classes"
    )


def test_mixed_labels_are_classes_when_the_user_says_so(prepared, write):
    path = write("n,y\n" + "".join(f"{i},{i % 4}\n{i},high\n" for i in range(20)))
    table = prepared(path, task="multiclass")
    assert table.schema.target.classes == ("0", "1", "2", "3", "high")


def test_text_is_no_target_of_a_regression(complaint, write):
    path = write(GOOD)
    assert complaint(path, task="regression") == (
        f"{path}: the target 'y' is no number in every row (a); "
        "set data.task=auto, or name another target"
    )


def test_a_binary_target_has_two_classes(complaint, write):
    path = write("n,y\n" + "1,a\n2,b\n3,c\n" * 9)
    assert complaint(path, task="binary") == (
        f"{path}: the target 'y' has 3 classes, not 2; set data.task=multiclass"
    )


def test_an_infinite_target(complaint, write):
    path = write("n,y\n" + "".join(f"{i},{i}.5\n" for i in range(20)) + "1,inf\n")
    assert complaint(path).startswith(f"{path}: line 22: the target 'y'")
    assert "inf is not a finite number" in complaint(path)
