"""What a column is, as the user sees it in the schema and the summary."""

import numpy as np
import pandas as pd
import pytest

from bigmodel.data.tables import ParquetData

N = 60


def column(write, prepared, values, name="x", **settings):
    """The column `name` with these values, in a table with a number and a target."""
    frame = pd.DataFrame({"n": np.arange(len(values)) % 7, name: values})
    frame["y"] = np.where(np.arange(len(values)) % 2, "a", "b")
    table = prepared(write(frame.to_csv(index=False)), **settings)
    found = {c.name: c for c in table.schema.columns}
    return found.get(name), table


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        ([1, 2, 3] * 20, "numeric", "int64"),
        ([1.5, 2, None] * 20, "numeric", "float64"),
        (["1", "?", "3"] * 20, "numeric", "float64"),
        (["1", "NA", " 2.5 "] * 20, "numeric", "float64"),
        ([1e5, -3e-4, 0] * 20, "numeric", "float64"),
        (["a", "b", "NA"] * 20, "categorical", "str"),
        (["00123", "4567", "89"] * 20, "categorical", "str"),
        (["1", "2", "B"] * 20, "categorical", "str"),
        ([True, False] * 30, "boolean", "bool"),
        (["true", "FALSE", None] * 20, "boolean", "bool"),
        (["2024-01-31", "2023-12-01"] * 30, "datetime", "datetime64[us]"),
        (["2024-01-31T12:00:00Z", None] * 30, "datetime", "datetime64[us]"),
        (["2024-01-31 12:00:00", "?"] * 30, "datetime", "datetime64[us]"),
        (["2024-01-31", "tomorrow"] * 30, "categorical", "str"),
        ([f"u{i:03d}x" for i in range(N)], "id", "str"),
        ([f"u{i:03d}x" for i in range(49)], "categorical", "str"),
        ([f"the row number {i}" for i in range(N)], "text", "str"),
        (["Oslo and Rome", "Lima or Cork"] * 30, "categorical", "str"),
        (list(range(100, 100 + N)), "numeric", "int64"),
    ],
)
def test_kinds_are_inferred_from_the_values(write, prepared, values, kind, dtype):
    found, _ = column(write, prepared, values)
    assert (found.kind, found.dtype) == (kind, dtype)


@pytest.mark.parametrize(
    "name", ["id", "ID", "user_id", "userId", "row-id", "uuid", "index", "Unnamed: 0"]
)
def test_distinct_whole_numbers_with_the_name_of_an_id_are_one(write, prepared, name):
    found, table = column(write, prepared, list(range(100, 100 + N)), name)
    assert (found.kind, found.dtype) == ("id", "int64")
    assert table.schema.ids == (name,)
    note = f"taken as ids (not fed to the network, copied to predictions): {name}"
    assert note in table.quality["notes"]


@pytest.mark.parametrize("name", ["paid", "grid", "humid", "valid"])
def test_words_that_end_like_an_id_are_none(write, prepared, name):
    found, _ = column(write, prepared, list(range(N)), name)
    assert found.kind == "numeric"


def test_numbers_that_repeat_are_no_ids(write, prepared):
    found, _ = column(write, prepared, [1, 2] * 30, "user_id")
    assert found.kind == "numeric"


@pytest.mark.parametrize("kind", ["numeric", "categorical", "id", "text"])
def test_the_users_word_counts(write, prepared, kind):
    found, _ = column(write, prepared, [1, 2, 3] * 20, kinds={"x": kind})
    assert found.kind == kind


def test_numbers_that_are_categories_keep_their_writing(write, prepared):
    table = prepared(write("x,y,n\n" + "007,a,1\n7,b,2\n1.0,a,3\n" * 9), kinds={"x": "categorical"})
    assert sorted(table.schema.columns[0].categories) == ["007", "1.0", "7"]


def test_ids_are_taken_by_name(write, prepared):
    found, table = column(write, prepared, [1.5, 2.5] * 30, id="x")
    assert found.kind == "id"
    assert table.schema.ids == ("x",)
    assert table.encoder.numeric_names == ("n",)


def test_dropped_columns_are_not_in_the_schema(write, prepared):
    found, table = column(write, prepared, [1, 2] * 30, drop=["x"])
    assert found is None
    assert table.schema.dropped == ("x",)


def test_columns_without_values_are_not_used_and_named(write, prepared):
    found, table = column(write, prepared, [None] * N)
    assert found is None
    assert "columns without any value, not used: x" in table.quality["notes"]


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (["a", "b", "NA"] * 20, 'texts such as "NA" or "?" kept as categories in: x'),
        (["1", "2", "?"] * 20, 'texts such as "NA" or "?" taken as missing in: x'),
        (["00123", "04567"] * 30, "numbers with leading zeros, kept as text: x"),
        (
            [f"the row number {i}" for i in range(N)],
            "text columns, not used: this model reads none (model=text_cnn does, and others; "
            "data.kinds.NAME=categorical feeds one): x",
        ),
    ],
)
def test_what_is_decided_by_rule_is_said(write, prepared, values, note):
    _, table = column(write, prepared, values)
    assert table.quality["notes"] == [note]


def test_nothing_is_said_of_the_users_own_word(write, prepared):
    _, table = column(write, prepared, ["a", "NA"] * 30, kinds={"x": "categorical"})
    assert table.quality["notes"] == []


def test_na_is_a_category_with_a_code_of_its_own(write, prepared):
    found, table = column(write, prepared, ["a", "NA", None] * 20)
    assert found.categories == ("NA", "a")
    assert table.encoder.cardinalities == (4,)
    assert len(np.unique(table.inputs.categorical)) == 3


def test_the_schema_tells_what_training_saw(people, write, prepared):
    table = prepared(write(people.to_csv(index=False)))
    columns = {c.name: c for c in table.schema.columns}
    train = people[table.split == 0]
    age, city, joined = columns["age"], columns["city"], columns["joined"]
    assert (age.minimum, age.maximum) == (train["age"].min(), train["age"].max())
    assert sum(age.histogram["counts"]) == len(train)
    assert len(age.histogram["edges"]) == len(age.histogram["counts"]) + 1
    assert city.histogram["categories"] == list(city.categories)
    assert city.histogram["counts"] == [(train["city"] == c).sum() for c in city.categories]
    assert pd.Timestamp(joined.minimum) == train["joined"].min()
    assert columns["income"].missing_rate == train["income"].isna().mean()
    assert columns["member"].histogram == {
        "categories": ["false", "true"],
        "counts": [(~train["member"]).sum(), train["member"].sum()],
    }


def test_parquet_types_are_understood(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3] * 20, dtype="Int64"),
            "small": np.arange(60, dtype="int8"),
            "half": np.arange(60, dtype="float32"),
            "flag": pd.array([True, False, None] * 20, dtype="boolean"),
            "words": pd.Categorical(["x", "y", None] * 20),
            "day": pd.date_range("2024-01-01", periods=60).date,
            "moment": pd.date_range("2024-01-01", periods=60, tz="Europe/Rome"),
            "user_id": pd.array([2**60, None, *range(58)], dtype="Int64"),
            "y": list("ab") * 30,
        }
    )
    frame.to_parquet(path)
    table = ParquetData(str(path), target="y", kinds={"user_id": "id"}).prepared
    kinds = {c.name: c.kind for c in table.schema.columns}
    assert kinds == {
        "whole": "numeric", "small": "numeric", "half": "numeric", "flag": "boolean",
        "words": "categorical", "day": "datetime", "moment": "datetime", "user_id": "id",
    }  # fmt: skip
    assert np.isfinite(table.inputs.numeric).all()
