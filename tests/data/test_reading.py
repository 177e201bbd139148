"""Tables for prediction: in pieces, with the schema's columns and dtypes."""

import gzip
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigmodel.data.encoder import Encoder
from bigmodel.data.reading import conform, iter_frames, iter_labelled
from bigmodel.data.schema import Column, Schema, Target
from bigmodel.data.tables import CsvData
from bigmodel.errors import UserError

TWO_COLUMNS = Schema(
    (Column("text", "categorical", "str"), Column("number", "numeric", "float64")),
    Target("y", "binary", "str", ("a", "b")),
)
printable = st.text(st.characters(exclude_categories=("C", "Z")), max_size=6)


@pytest.fixture
def trained(people, tmp_path):
    """The table of people, prepared from a CSV file."""
    path = tmp_path / "train.csv"
    people.to_csv(path, index=False)
    return CsvData(str(path), target="y").prepared


def read(path, schema: Schema, chunk_rows: int = 100) -> pd.DataFrame:
    return pd.concat(iter_frames(path, schema, chunk_rows), ignore_index=True)


def complaint(path, schema: Schema, chunk_rows: int = 100) -> str:
    with pytest.raises(UserError) as caught:
        read(path, schema, chunk_rows)
    return caught.value.lines[0]


def test_the_dtypes_are_those_of_the_schema(people, trained, tmp_path):
    people.to_csv(tmp_path / "new.csv", index=False)
    frame = read(tmp_path / "new.csv", trained.schema)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "id": "int64",
        "age": "int64",
        "income": "float64",
        "city": "str",
        "member": "bool",
        "joined": "datetime64[us]",
        "zip": "str",
    }
    assert frame["zip"].tolist() == people["zip"].tolist()
    assert frame["city"].tolist() == people["city"].tolist()


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.zip", "t.parquet", "t.tsv", "t.txt"])
def test_every_format_gives_the_same_rows(people, trained, tmp_path, name):
    path = tmp_path / name
    if name.endswith("parquet"):
        people.to_parquet(path)
    elif name.endswith("tsv"):
        people.to_csv(path, index=False, sep="\t")
    elif name.endswith("txt"):
        path.write_bytes(people.to_csv(index=False, sep=";").encode("utf-16"))
    elif name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("people.csv", people.to_csv(index=False))
    else:
        people.to_csv(path, index=False)
    expected = conform(people, trained.schema)
    pd.testing.assert_frame_equal(read(path, trained.schema), expected)


def test_a_name_does_not_decide_what_a_file_is(people, trained, tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes(gzip.compress(people.to_csv(index=False).encode()))
    assert len(read(path, trained.schema)) == len(people)


@pytest.mark.parametrize("chunk_rows", [1, 7, 239, 240, 10_000])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_size_of_the_pieces_changes_nothing(people, trained, tmp_path, chunk_rows, suffix):
    path = tmp_path / f"t.{suffix}"
    people.to_parquet(path) if suffix == "parquet" else people.to_csv(path, index=False)
    frames = list(iter_frames(path, trained.schema, chunk_rows))
    assert max(map(len, frames)) <= chunk_rows
    frame = pd.concat(frames, ignore_index=True)
    pd.testing.assert_frame_equal(frame, conform(people, trained.schema))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_parts_are_read_in_the_order_of_their_names(people, trained, tmp_path, suffix):
    folder = tmp_path / "parts"
    folder.mkdir()
    for start in (160, 0, 80):
        part = people.iloc[start : start + 80]
        path = folder / f"part-{start:03d}.{suffix}"
        part.to_parquet(path) if suffix == "parquet" else path.write_text(
            part.to_csv(index=False).rstrip("\n")  # a last line without its end
        )
    for place in (folder, folder / f"*.{suffix}"):
        assert read(place, trained.schema)["id"].tolist() == people["id"].tolist()


def test_other_columns_and_another_order_do_not_matter(people, trained, tmp_path):
    path = tmp_path / "t.csv"
    shuffled = people[["zip", "age", "joined", "member", "id", "city", "income"]]
    shuffled.assign(extra="x", last=None).to_csv(path, index=False)
    pd.testing.assert_frame_equal(read(path, trained.schema), conform(people, trained.schema))


def test_memory_does_not_grow_with_the_table(people, trained, tmp_path):
    path, peaks = tmp_path / "t.csv", []
    for times in (50, 300):
        pd.concat([people] * times).to_csv(path, index=False)
        tracemalloc.start()
        for _ in iter_frames(path, trained.schema, 2000):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_missing_column_is_named(people, trained, tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    frame = people.drop(columns="income")
    frame.to_parquet(path) if suffix == "parquet" else frame.to_csv(path, index=False)
    assert complaint(path, trained.schema) == (
        f"{path}: the column 'income' is missing; add it (empty if unknown)"
    )


def test_a_misspelt_column_is_recognised(people, trained, tmp_path):
    path = tmp_path / "t.csv"
    people.rename(columns={"income": "Incone"}).to_csv(path, index=False)
    assert complaint(path, trained.schema) == (
        f"{path}: the column 'income' is missing; is 'Incone' meant? Rename it"
    )


@pytest.mark.parametrize(
    ("column", "value", "shown", "wanted", "kind"),
    [
        ("age", "old", "'old'", "a number", "numeric"),
        ("income", "inf", "inf", "a finite number (below 1e+30)", "numeric"),
        ("income", "1e38", "1e+38", "a finite number (below 1e+30)", "numeric"),
        ("member", "perhaps", "'perhaps'", "true or false", "boolean"),
        (
            "joined",
            "31.12.2020",
            "'31.12.2020'",
            "a time such as 2026-01-31 or 2026-01-31T12:00:00",
            "datetime",
        ),
        ("id", "x7", "'x7'", "a whole number", "id"),
    ],
)
def test_a_cell_of_another_type_is_named(
    people, trained, tmp_path, column, value, shown, wanted, kind
):
    path = tmp_path / "t.csv"
    frame = people.astype("object")
    frame.loc[150, column] = value
    frame.to_csv(path, index=False)
    assert complaint(path, trained.schema) == (
        f"{path}: line 152: column {column!r}: {shown} is not {wanted}; "
        f"the model takes {kind} values there; correct the cell"
    )


def test_a_parquet_column_of_another_type_is_named(people, trained, tmp_path):
    path = tmp_path / "t.parquet"
    people.assign(age=people["joined"]).to_parquet(path)
    assert complaint(path, trained.schema).startswith(f"{path}: row 1: column 'age': ")


@pytest.mark.parametrize("line", ["7,8", "1,2,3,4,5,6,7,8,9", '7,"8'])
def test_a_broken_line_is_named_however_late(people, trained, tmp_path, line):
    path = tmp_path / "t.csv"
    path.write_text(people.to_csv(index=False) + line + "\n")
    assert complaint(path, trained.schema, 100).startswith(f"{path}: line 242: ")


def test_missing_markers_and_empty_cells_are_missing_numbers(people, trained, tmp_path):
    path = tmp_path / "t.csv"
    marks = ["?", "NA", "", "nan", "NULL", "-", "None"]
    frame = people.head(len(marks)).astype("object")
    for column in ("age", "member", "joined"):
        frame[column] = marks
    frame.to_csv(path, index=False)
    read_back = read(path, trained.schema)
    assert read_back[["age", "member", "joined"]].isna().all(axis=None)
    assert not read_back["city"].isna().any()


def test_encoding_a_file_is_encoding_the_users_own_frame(people, trained, tmp_path):
    path = tmp_path / "t.csv"
    people.to_csv(path, index=False)
    of_file = trained.encoder.transform(read(path, trained.schema, 33))
    of_frame = trained.encoder.transform(conform(people, trained.schema))
    for ours, theirs, training in zip(of_file[:2], of_frame[:2], trained.inputs[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(ours, training)


def test_a_users_frame_keeps_its_index_and_is_not_changed(people, trained):
    given_frame = people.set_index(people["id"] * 2)
    before = given_frame.copy()
    assert conform(given_frame, trained.schema).index.tolist() == given_frame.index.tolist()
    pd.testing.assert_frame_equal(given_frame, before)


def test_a_users_frame_is_checked_by_position(people, trained):
    frame = people.astype({"age": "object"}).set_index("id", drop=False)
    frame.iloc[7, frame.columns.get_loc("age")] = "seven"
    with pytest.raises(UserError, match=r"^the frame: row 7 \(from 0\): column 'age': 'seven'"):
        conform(frame, trained.schema)
    with pytest.raises(UserError, match=r"^the frame: the column 'city' is missing; "):
        conform(people.drop(columns="city"), trained.schema)


def test_a_frame_of_json_values_conforms(trained, people):
    rows = people.head(3).assign(joined="2021-05-01T00:00:00Z", income=None).to_dict("records")
    frame = conform(pd.DataFrame(rows), trained.schema)
    assert frame["joined"].dtype == "datetime64[us]"
    assert frame["income"].isna().all()
    assert np.isfinite(trained.encoder.transform(frame).numeric).all()


def test_labelled_rows_come_with_their_codes(people, trained, tmp_path):
    path = tmp_path / "t.csv"
    people.to_csv(path, index=False)
    pieces = list(iter_labelled(path, trained.schema, 70))
    codes = np.concatenate([target for _, target in pieces])
    np.testing.assert_array_equal(codes, trained.target)
    assert all("y" not in frame.columns for frame, _ in pieces)


def test_labels_of_a_regression_are_standardised_as_in_training(people, tmp_path):
    path = tmp_path / "t.csv"
    people.to_csv(path, index=False)
    trained = CsvData(str(path), target="age").prepared
    targets = np.concatenate([target for _, target in iter_labelled(path, trained.schema, 70)])
    np.testing.assert_array_equal(targets, trained.target)


@pytest.mark.parametrize(("label", "shown"), [("ancient", "'ancient'"), (None, "None")])
def test_an_unknown_or_missing_label_is_named(people, trained, tmp_path, label, shown):
    path = tmp_path / "t.csv"
    people.loc[100, "y"] = label
    people.to_csv(path, index=False)
    with pytest.raises(UserError, match=rf"t\.csv: line 102: y: {shown} is not a"):
        list(iter_labelled(path, trained.schema, 70))


@pytest.mark.parametrize("written", ["1", "1.0", "01"])
def test_numbers_that_are_labels_may_be_written_otherwise(write, prepared, written):
    table = prepared(write("x,y\n" + "1,1\n2,2\n3,1\n" * 9))
    path = write(f"x,y\n5,{written}\n6,2\n", "new.csv")
    ((_, target),) = iter_labelled(path, table.schema, 10)
    assert target.tolist() == [0, 1]


def test_large_ids_keep_all_digits_even_beside_a_gap(write, prepared):
    ids = [f"{9007199254740993 + i}" for i in range(60)]
    rows = "".join(f"{name},{i},{'ab'[i % 2]}\n" for i, name in enumerate(ids))
    schema = prepared(write("id,x,y\n" + rows)).schema
    frame = read(write("id,x\n" + ids[0] + ",1\n,2\n", "new.csv"), schema)
    assert frame["id"].astype("Int64").tolist() == [9007199254740993, pd.NA]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            printable,
            st.one_of(st.none(), st.floats(-1e29, 1e29)),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_no_text_changes_its_meaning_on_the_way_through_a_file(tmp_path_factory, rows):
    texts, numbers = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {"text": pd.Series(texts, dtype="str"), "number": np.array(numbers, dtype=np.float64)}
    )
    path = tmp_path_factory.mktemp("hypothesis") / "t.csv"
    frame.to_csv(path, index=False)
    read_back = read(path, TWO_COLUMNS)
    wanted = conform(frame, TWO_COLUMNS)
    pd.testing.assert_series_equal(read_back["text"], wanted["text"])
    np.testing.assert_allclose(read_back["number"], wanted["number"], rtol=1e-14)
    assert Encoder.fit(wanted, TWO_COLUMNS).transform(read_back).numeric.shape[0] == len(rows)
