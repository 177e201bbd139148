"""Wrong tables for training: each gets one line that names the place, the mistake and the fix."""

import gzip
import zipfile

import pandas as pd
import pytest
from good_table import GOOD, ROWS

from bigmodel.data.tables import CsvData, ParquetData
from bigmodel.errors import UserError

CORRECT = "correct the line (a field that holds the separator needs quotes)"
QUOTE = (
    'a quote (") opens here and is not closed in its field; close it, '
    "or double the quotes within the text"
)


def test_the_good_table_is_good(write, prepared):
    assert prepared(write(GOOD)).inputs.numeric.shape == (40, 2)


def test_a_missing_file(complaint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert complaint("none.csv") == (
        f"none.csv: no such file; correct the path (relative ones start at {tmp_path})"
    )


def test_a_glob_without_files(complaint, tmp_path):
    assert complaint(f"{tmp_path}/*.csv").startswith(f"{tmp_path}/*.csv: no such file; ")


def test_a_directory_without_tables(complaint, tmp_path):
    assert complaint(tmp_path) == (
        f"{tmp_path}: no table in this directory; put files ending with .csv, .tsv, .txt, "
        ".parquet, .pq, .gz, .zip there, or name a file"
    )


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_an_empty_file(complaint, write, content):
    path = write(content)
    assert complaint(path) == f"{path}: the file is empty; give one with a header and rows"


def test_a_header_without_rows(complaint, write):
    path = write("n,x,y\n")
    assert complaint(path) == f"{path}: has a header but no rows; give a file with rows"


def test_a_separator_that_cannot_be_detected(complaint, write):
    path = write("name of the thing\nsome words\nother words here\n")
    assert complaint(path) == (
        f"{path}: the separator cannot be detected (none of , ; tab | splits the first lines "
        "evenly); name it with data.separator="
    )


def test_an_encoding_that_cannot_be_detected(complaint, write):
    path = write(b"n,y\n" + bytes(range(128, 256)) * 20)
    assert complaint(path) == (
        f"{path}: the encoding cannot be detected; name it with data.encoding= (utf-8, cp1252, ...)"
    )


def test_a_file_that_is_no_text(complaint, write):
    path = write(b"\x7fELF\x00\x00\x01")
    assert complaint(path) == (
        f"{path}: not a text file (it holds zero bytes); give a CSV or Parquet file, "
        "or its encoding with data.encoding="
    )


def test_an_encoding_that_is_not_the_files(complaint, write):
    path = write("n,y\n" + "é,b\n".encode("cp1252").decode("latin-1") * 30)
    path.write_bytes("n,y\né,b\n".encode("cp1252"))
    assert complaint(path, encoding="utf-8") == (
        f"{path}: not in the encoding utf-8 (b'\\xe9'); name it with data.encoding="
    )


def test_an_encoding_that_does_not_exist(complaint, write):
    assert complaint(write(GOOD), encoding="utf-9") == (
        "data.encoding: no such encoding: 'utf-9'; name one of Python's (utf-8, cp1252, ...)"
    )


def test_a_doubled_name_in_the_header(complaint, write):
    path = write("n,x,n,y\n" + "1,2,3,a\n" * 9)
    assert complaint(path) == (
        f"{path}: line 1: the column 'n' is there twice (columns 1 and 3); rename one"
    )


@pytest.mark.parametrize(
    ("line", "fields"), [("7,0.1", 2), ("7", 1), ("7,0.1,a,b", 4), ("7,0.1,a,", 4)]
)
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_with_too_few_or_too_many_fields(complaint, write, line, fields, quoted, end):
    head = 'n,x,y\n1,0.5,"a"\n' if quoted else "n,x,y\n1,0.5,a\n"
    path = write((head + ROWS + line + "\n" + ROWS).replace("\n", end))
    assert complaint(path) == f"{path}: line 43: has {fields} fields, the header has 3; {CORRECT}"


def test_the_first_line_with_too_many_fields(complaint, write):
    path = write("n,x,y\n1,2,3,a\n" + ROWS)
    assert complaint(path) == f"{path}: line 2: has 4 fields, the header has 3; {CORRECT}"


def test_a_short_line_in_a_large_file(complaint, write):
    rows = ROWS * 10_000
    path = write("n,x,y\n" + rows + "3,0.5\n")
    assert path.stat().st_size > 2 << 20
    assert complaint(path) == f"{path}: line 400002: has 2 fields, the header has 3; {CORRECT}"


def test_a_missing_last_value_is_no_short_line(prepared, write):
    assert prepared(write("y,n,x\n" + "a,1,2\nb,2,\n" * 20)).inputs.numeric.shape == (40, 3)


@pytest.mark.parametrize(
    "rest",
    ["", '5,0.5,"b"\n6,0.1,a\n', '5,0.5,b"\n6,0.1,a\n', ROWS + '5,"0.5",b\n'],
    ids=["never closed", "closed by the next quote", "closed at a line's end", "closed far below"],
)
def test_a_quote_that_is_not_closed(complaint, write, rest):
    path = write("n,x,y\n" + ROWS + '4,0.5,"b\n5,0.1,a\n' + rest)
    assert complaint(path) == f"{path}: line 42: {QUOTE}"


def test_text_may_hold_quotes_separators_and_line_ends(prepared, write):
    rows = 'a,"one, ""two""\nthree",1\nb,"four\n\nfive",2\n' * 20
    table = prepared(write("y,words,n\n" + rows), kinds={"words": "categorical"})
    assert table.schema.columns[0].categories == ("four\n\nfive", 'one, "two"\nthree')
    assert len(table.split) == 40


@pytest.mark.parametrize(
    ("value", "shown"), [("inf", "inf"), ("-Infinity", "-inf"), ("1e38", "1e+38"), ("1e400", "inf")]
)
def test_a_number_that_no_network_can_take(complaint, write, value, shown):
    path = write(GOOD + f"1,{value},a\n")
    assert complaint(path) == (
        f"{path}: line 42: column 'x': {shown} is not a finite number (below 1e+30); "
        "correct the cell, or set data.kinds.x=categorical"
    )


def test_text_in_a_numeric_column_after_100_000_good_rows(complaint, write):
    rows = "".join(f"{i % 977},{i * 0.25},{'ab'[i % 2]}\n" for i in range(100_000))
    path = write("n,x,y\n" + rows + "5,oops,a\n" + ROWS)
    assert complaint(path) == (
        f"{path}: line 100002: column 'x': 'oops' is not a number, as nearly all others in the "
        "column are; correct the cell, or set data.kinds.x=categorical"
    )


def test_fewer_rows_than_the_splits_need(complaint, write):
    path = write("n,y\n1,0\n2,1\n3,0\n")
    assert complaint(path) == (
        "the table has too few rows (3 rows in all) for its splits: none is left for test; "
        "give more rows, or other data.split.ratios"
    )


def test_no_column_to_learn_from(complaint, write):
    words = "".join(f"{'ab'[i % 2]},word number {i} of many\n" for i in range(60))
    path = write("y,words\n" + words)
    assert complaint(path) == (
        f"{path}: no column is left to learn from, only words (text); give a table with others, "
        "set data.kinds.NAME=categorical, or read texts with model=text_cnn"
    )


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("drop", ["m"], "data.drop: the table has no column 'm'; it has n, x, y"),
        ("id", "name", "data.id: the table has no column 'name'; it has n, x, y"),
        ("kinds", {"xx": "numeric"}, "data.kinds: the table has no column 'xx'; did you mean 'x'?"),
        (
            "drop",
            ["y"],
            "data.target: 'y' is also in data.drop, data.id or data.kinds; take it out there",
        ),
    ],
)
def test_settings_that_name_no_column(complaint, write, setting, value, line):
    assert complaint(write(GOOD), **{setting: value}) == line


def test_a_kind_that_the_column_is_not_of(complaint, write):
    path = write("n,x,y\n" + "1,low,a\n2,high,b\n" * 10)
    assert complaint(path, kinds={"x": "numeric"}) == (
        f"{path}: line 2: column 'x': 'low' is not a number; correct the cell, "
        "or set data.kinds.x=categorical"
    )


def test_parts_with_different_columns(complaint, write, tmp_path):
    write("n,x,y\n" + ROWS, "a.csv")
    second = write("n,z,y\n" + ROWS, "b.csv")
    assert complaint(tmp_path) == (
        f"{second}: its header is not that of {tmp_path}/a.csv ('x' is in one only); "
        "give all parts the same columns in the same order"
    )


def test_a_bad_line_in_a_later_part_is_named_there(complaint, write, tmp_path):
    write(GOOD, "a.csv")
    second = write(GOOD + "1,2\n", "b.csv")
    assert complaint(tmp_path) == f"{second}: line 42: has 2 fields, the header has 3; {CORRECT}"
    second.write_text(GOOD + "1,inf,a\n")
    assert complaint(tmp_path).startswith(f"{second}: line 42: column 'x': inf is not")


def test_a_damaged_gzip_file(complaint, write):
    path = write(gzip.compress(GOOD.encode() * 100)[:-30], "t.csv.gz")
    assert complaint(path).startswith(f"{path}: damaged (")


def test_a_zip_with_several_files(complaint, tmp_path):
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", GOOD)
        archive.writestr("b.csv", GOOD)
    assert complaint(path) == (
        f"{path}: holds 2 files (a.csv, b.csv); pack one table in a zip, "
        "or unpack it and name the directory"
    )


def test_a_ready_made_test_table_is_checked_too(complaint, write, tmp_path):
    path, test = write(GOOD), write(GOOD + "1,much,a\n", "test.csv")
    assert complaint(path, test_path=str(test)) == (
        f"{test}: line 42: column 'x': 'much' is not a number; correct the cell, "
        "or set data.kinds.x=categorical"
    )
    test.write_text("n,y\n1,a\n2,b\n")
    assert complaint(path, test_path=str(test)) == (
        f"{test}: the column 'x' is missing; add it (empty if unknown)"
    )
    test.write_text(GOOD + "1,2,c\n")
    assert complaint(path, test_path=str(test)) == (
        f"{test}: line 42: the target 'y': 'c' is not a class that the model knows; "
        "correct the label, or leave out the row"
    )


def parquet_complaint(path, **settings: object) -> str:
    with pytest.raises(UserError) as caught:
        ParquetData(str(path), target="y", **settings).setup()
    return caught.value.lines[0]


def test_a_parquet_file_that_is_none(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 and nothing behind")
    assert parquet_complaint(path).startswith(f"{path}: not a readable Parquet file (")


def test_a_parquet_column_of_lists_is_named_and_can_be_dropped(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"n": range(20), "many": [[1, 2]] * 20, "y": list("ab") * 10})
    frame.to_parquet(path)
    assert parquet_complaint(path).startswith(f"{path}: the column 'many' holds list<")
    assert parquet_complaint(path).endswith("leave it out with data.drop=[many]")
    table = ParquetData(str(path), target="y", drop=["many"])
    assert table.spec.n_numeric == 1


def test_rows_of_parquet_are_counted_from_1(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"n": [1.0] * 19 + [1e38], "y": list("ab") * 10}).to_parquet(path)
    assert parquet_complaint(path).startswith(f"{path}: row 20: column 'n': 1e+38 is not")


@pytest.mark.parametrize("rows", [0, 20])
def test_a_parquet_file_without_rows_or_target(tmp_path, rows):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"n": range(rows), "z": range(rows)}).to_parquet(path)
    wrong = "has columns but no rows" if rows == 0 else "data.target: the table has no column 'y'"
    assert wrong in parquet_complaint(path)


def test_csv_given_as_parquet_and_the_other_way_round_are_read_as_what_they_are(write, tmp_path):
    path = write(GOOD)
    parquet = tmp_path / "t.parquet"
    pd.read_csv(path).to_parquet(parquet)
    assert ParquetData(str(path), target="y").spec == CsvData(str(parquet), target="y").spec
