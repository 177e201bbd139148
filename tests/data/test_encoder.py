import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigmodel.data.encoder import Encoder
from bigmodel.data.encodings import MIN_COUNT
from bigmodel.data.quantiles import QuantileMap, ordered_sample
from bigmodel.data.schema import Column, Schema, Target

TARGET = Target("y", "binary", "str", ("a", "b"))


def schema(**kinds: str) -> Schema:
    dtypes = {"numeric": "float64", "boolean": "bool", "datetime": "datetime64[us]"}
    columns = (Column(name, kind, dtypes.get(kind, "str")) for name, kind in kinds.items())
    return Schema(tuple(columns), TARGET)


def fit_one(values: object, kind: str = "numeric") -> tuple[Encoder, pd.DataFrame]:
    frame = pd.DataFrame({"x": values})
    return Encoder.fit(frame, schema(x=kind)), frame


numbers = st.one_of(
    st.none(),
    st.floats(-1e29, 1e29),
    st.integers(-5, 5).map(float),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-300]),
)
texts = st.one_of(st.none(), st.text(min_size=1, max_size=3), st.sampled_from(["a", "b", "NA"]))
times = st.one_of(st.none(), st.datetimes(pd.Timestamp("1680-01-01"), pd.Timestamp("2250-01-01")))
tables = st.lists(
    st.tuples(numbers, texts, st.one_of(st.none(), st.booleans()), times), min_size=1, max_size=60
)


def table(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    number, text, flag, time = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "number": np.array(number, dtype=np.float64),
            "text": pd.Series(text, dtype="str"),
            "flag": pd.Series(flag, dtype="boolean"),
            "time": pd.Series(time, dtype="datetime64[us]"),
        }
    )


EVERY_KIND = schema(number="numeric", text="categorical", flag="boolean", time="datetime")


@settings(max_examples=60, deadline=None)
@given(rows=tables, others=tables)
def test_any_rows_encode_to_finite_numbers_and_valid_codes(rows, others):
    encoder = Encoder.fit(table(rows), EVERY_KIND)
    for frame in (table(rows), table(others)):
        numeric, categorical = encoder.transform(frame)[:2]
        assert numeric.shape == (len(frame), encoder.n_numeric)
        assert np.isfinite(numeric).all()
        assert np.abs(numeric).max() < 6
        assert categorical.shape == (len(frame), 1)
        assert ((categorical >= 0) & (categorical < encoder.cardinalities[0])).all()


@settings(max_examples=60, deadline=None)
@given(rows=tables, others=tables)
def test_a_row_alone_gets_the_numbers_that_it_gets_among_others(rows, others):
    encoder = Encoder.fit(table(rows), EVERY_KIND)
    frame = table(others)
    together = encoder.transform(frame)
    for i in range(len(frame)):
        alone = encoder.transform(frame.iloc[[i]])
        np.testing.assert_array_equal(alone.numeric[0], together.numeric[i])
        np.testing.assert_array_equal(alone.categorical[0], together.categorical[i])


def test_a_row_gets_the_same_numbers_in_a_large_table():
    rng = np.random.default_rng(0)
    encoder, frame = fit_one(np.where(rng.random(50_000) < 0.1, np.nan, rng.normal(size=50_000)))
    whole = encoder.transform(frame).numeric
    few = encoder.transform(frame.iloc[::997]).numeric
    np.testing.assert_array_equal(whole[::997], few)


@settings(max_examples=60, deadline=None)
@given(rows=tables)
def test_the_state_is_plain_and_gives_the_same_encoder_back(rows):
    frame = table(rows)
    encoder = Encoder.fit(frame, EVERY_KIND)
    meta, arrays = encoder.state()
    again = Encoder.from_state(json.loads(json.dumps(meta)), arrays)
    assert again.numeric_names == encoder.numeric_names
    assert again.cardinalities == encoder.cardinalities
    for ours, theirs in zip(encoder.transform(frame), again.transform(frame), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("damage", ["format", "numeric", "knots", "scores", "cycles", "order"])
def test_a_damaged_state_is_refused(damage):
    encoder, _ = fit_one(np.arange(100.0))
    meta, arrays = encoder.state()
    if damage == "format":
        meta["format"] = 99
    elif damage == "numeric":
        del meta["numeric"]
    elif damage == "cycles":
        meta["numeric"][0]["cycles"] = ["fortnight"]
    elif damage == "order":
        arrays["0.knots"] = arrays["0.knots"][::-1]
    else:
        del arrays[f"0.{damage}"]
    with pytest.raises((KeyError, TypeError, ValueError)):
        Encoder.from_state(meta, arrays)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e29, 1e29), min_size=1, max_size=80), st.data())
def test_a_larger_number_never_gets_a_smaller_score(values, data):
    scores = QuantileMap.fit(ordered_sample(np.array(values)), len(values))
    asked = np.sort(np.array(data.draw(st.lists(st.floats(-1e29, 1e29), min_size=2))))
    assert (np.diff(scores(asked)) >= -1e-12).all()


@pytest.mark.parametrize(("rows", "error"), [(100, 0.1), (5_000, 0.02), (100_000, 0.02)])
def test_skewed_training_numbers_become_normal(rows, error):
    encoder, frame = fit_one(np.random.default_rng(1).lognormal(0, 2, rows))
    z = encoder.transform(frame).numeric[:, 0]
    assert abs(z.mean()) < error
    assert abs(z.std() - 1) < 2 * error
    assert abs(np.mean(np.abs(z) < 1) - 0.68) < error


def test_a_value_that_many_rows_share_gets_the_mean_of_their_scores():
    encoder, frame = fit_one([0.0] * 900 + list(np.linspace(1, 2, 100)))
    z = encoder.transform(frame).numeric[:, 0]
    assert -0.3 < z[0] < -0.1
    assert z[900] > 1


def test_numbers_beyond_training_get_the_score_of_the_ends():
    encoder, _ = fit_one(np.arange(100.0))
    low, first, last, high = encoder.transform(pd.DataFrame({"x": [-1e29, 0, 99, 1e29]})).numeric[
        :, 0
    ]
    assert low == first < last == high


def test_missing_numbers_are_the_median_and_flagged_when_training_had_some():
    encoder, _ = fit_one([1.0, 2.0, np.nan, 4.0])
    assert encoder.numeric_names == ("x", "x is missing")
    encoded = encoder.transform(pd.DataFrame({"x": [np.nan, 2.0]})).numeric
    assert encoded[0].tolist() == [0.0, 1.0]
    assert encoded[1, 1] == 0.0


def test_missing_numbers_are_the_median_where_training_had_none():
    encoder, _ = fit_one([1.0, 2.0, 4.0])
    assert encoder.numeric_names == ("x",)
    assert encoder.transform(pd.DataFrame({"x": [np.nan]})).numeric.tolist() == [[0.0]]


def test_the_most_frequent_category_is_first_and_rare_ones_are_unknown():
    values = ["b"] * 5 + ["a"] * MIN_COUNT + ["c"] * (MIN_COUNT - 1)
    encoder, _ = fit_one(pd.Series(values, dtype="str"), "categorical")
    asked = pd.DataFrame({"x": pd.Series(["b", "a", "c", "never seen", None], dtype="str")})
    assert encoder.transform(asked).categorical[:, 0].tolist() == [1, 2, 0, 0, 0]
    assert encoder.cardinalities == (3,)


def test_a_missing_category_has_a_code_of_its_own_when_training_had_some():
    values = ["b"] * 5 + ["NA"] * 4 + [None]
    encoder, frame = fit_one(pd.Series(values, dtype="str"), "categorical")
    assert encoder.transform(frame).categorical[[0, 5, 9], 0].tolist() == [1, 2, 3]
    assert encoder.cardinalities == (4,)


def test_ties_between_categories_are_broken_by_text():
    codes = []
    for values in (["x", "y"] * 5, ["y", "x"] * 5):
        encoder, _ = fit_one(pd.Series(values, dtype="str"), "categorical")
        asked = pd.DataFrame({"x": pd.Series(["x", "y"], dtype="str")})
        codes.append(encoder.transform(asked).categorical[:, 0].tolist())
    assert codes == [[1, 2], [1, 2]]


def test_no_more_than_a_thousand_categories_have_codes():
    values = pd.Series([f"c{i}" for i in range(1100)] * 3, dtype="str")
    encoder, _ = fit_one(values, "categorical")
    assert encoder.cardinalities == (1001,)


def test_times_have_the_cycles_that_training_saw_twice():
    hours = pd.date_range("2024-01-01", periods=24 * 20, freq="h")
    encoder, frame = fit_one(hours.astype("datetime64[us]"), "datetime")
    assert encoder.numeric_names == (
        "x",
        "x sine of week",
        "x cosine of week",
        "x sine of day",
        "x cosine of day",
    )
    z = encoder.transform(frame).numeric
    np.testing.assert_allclose(z[0, 3:], z[24, 3:], atol=1e-6)
    np.testing.assert_allclose(z[6, 3:], [1, 0], atol=1e-6)


def test_dates_have_no_cycle_of_a_day():
    days = pd.date_range("2020-01-01", periods=1000, freq="D")
    encoder, _ = fit_one(days.astype("datetime64[us]"), "datetime")
    assert [name for name in encoder.numeric_names if "sine of" in name and "co" not in name] == [
        "x sine of year",
        "x sine of week",
    ]


def test_booleans_are_numbers():
    encoder, frame = fit_one([True, False, False, False], "boolean")
    z = encoder.transform(frame).numeric[:, 0]
    assert z[0] > 0 > z[1]


def test_encoding_needs_no_heavy_library():
    code = """
import sys, numpy as np, pandas as pd
from bigmodel.data.encoder import Encoder
from bigmodel.data.schema import Column, Schema, Target
frame = pd.DataFrame({"x": np.arange(99.0)})
target = Target("y", "regression", "float64")
Encoder.fit(frame, Schema((Column("x", "numeric", "float64"),), target)).transform(frame)
heavy = {"torch", "scipy", "sklearn"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
