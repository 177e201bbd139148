import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bigmodel.bundle.postprocess import Postprocess
from bigmodel.data.schema import Target

LOGITS = arrays(np.float32, (5, 3), elements=st.floats(-1e4, 1e4, width=32))
COLOURS = Target("colour", "multiclass", "str", ("blue", "green", "red"))


@given(LOGITS, st.floats(0.05, 20))
def test_probabilities_sum_to_one_and_never_overflow(logits, temperature):
    probabilities = Postprocess(COLOURS, temperature).probabilities(logits)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@given(LOGITS, st.floats(0.05, 20))
def test_temperature_changes_no_decision(logits, temperature):
    probabilities = Postprocess(COLOURS, temperature).probabilities(logits)
    best = probabilities.max(axis=1)
    assert np.allclose(probabilities[np.arange(5), logits.argmax(axis=1)], best)


def test_a_high_temperature_means_less_certainty():
    logits = np.array([[0.0, 1.0, 3.0]], dtype=np.float32)
    sure, unsure = (Postprocess(COLOURS, t).probabilities(logits) for t in (0.5, 5.0))
    assert sure.max() > 0.95
    assert unsure.max() < 0.5


@pytest.mark.parametrize(
    ("dtype", "classes", "labels"),
    [
        ("str", ("0", "1"), ["1", "0"]),
        ("int64", ("-3", "12"), [12, -3]),
        ("float64", ("0.5", "2.0"), [2.0, 0.5]),
        ("bool", ("False", "True"), [True, False]),
    ],
)
def test_labels_have_the_dtype_of_the_target(dtype, classes, labels):
    target = Target("y", "binary", dtype, classes)
    given_back = Postprocess(target).labels(np.array([1, 0]))
    assert given_back.tolist() == labels
    assert given_back.dtype == dtype


def test_values_are_in_the_units_of_the_target():
    target = Target("price", "regression", "int64", offset=100.0, scale=20.0)
    values = Postprocess(target).values(np.array([[0.0], [-1.5]], dtype=np.float32))
    assert values.tolist() == [100.0, 70.0]


def test_json_gives_the_same_back():
    calibrated = Postprocess(COLOURS, 1.37)
    assert Postprocess.from_json(calibrated.to_json(), COLOURS) == calibrated


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf"), "hot", None])
def test_an_impossible_temperature_is_refused(temperature):
    with pytest.raises((ValueError, TypeError)):
        Postprocess.from_json({"temperature": temperature}, COLOURS)
