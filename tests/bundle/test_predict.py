"""Batch scoring, end to end: files in, files out."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bigmodel.bundle.load import load
from bigmodel.bundle.write import write_zip
from bigmodel.errors import UserError
from bigmodel.predict import main, predict


@pytest.fixture
def table(trained, tmp_path) -> Path:
    """The wine table as a CSV file, without its targets."""
    path = tmp_path / "wine.csv"
    trained.frame.drop(columns=["cultivar", "ash"]).to_csv(path, index=False)
    return path


def score(bundle: Path, source: Path, output: Path, **options: int) -> pd.DataFrame:
    """The answers, read back from the file that `predict` wrote."""
    predict(bundle=str(bundle), input=str(source), output=str(output), **options)
    if output.suffix == ".parquet":
        return pd.read_parquet(output)
    return pd.read_csv(output, dtype={"bottle": "str"})


@pytest.mark.parametrize("output", ["p.csv", "p.csv.gz", "p.parquet"])
@pytest.mark.parametrize("source", ["wine.csv", "wine.csv.gz", "wine.parquet"])
def test_a_file_gets_the_answers_of_the_library(bundle, trained, tmp_path, source, output):
    frame = trained.frame.drop(columns="cultivar")
    write = frame.to_parquet if source.endswith("parquet") else frame.to_csv
    write(tmp_path / source, index=False)
    answers = score(bundle, tmp_path / source, tmp_path / output)
    pd.testing.assert_frame_equal(answers, load(bundle).predict(trained.frame), atol=1e-6)


def test_the_size_of_the_chunks_changes_nothing(bundle, table, tmp_path):
    whole = score(bundle, table, tmp_path / "whole.parquet")
    pieces = score(bundle, table, tmp_path / "pieces.parquet", chunk_rows=7)
    pd.testing.assert_frame_equal(whole, pieces, atol=1e-6)


def test_the_zip_gives_the_same_file(bundle, table, tmp_path):
    zipped = write_zip(bundle, tmp_path / "wine.zip")
    score(bundle, table, tmp_path / "directory.csv")
    score(zipped, table, tmp_path / "zip.csv")
    assert (tmp_path / "zip.csv").read_bytes() == (tmp_path / "directory.csv").read_bytes()


def test_rows_without_ids_are_numbered_through_all_chunks(trained, table, tmp_path):
    columns = tuple(c for c in trained.schema.columns if c.kind != "id")
    bundle = trained.write(tmp_path / "b", schema=replace(trained.schema, columns=columns))
    answers = score(bundle, table, tmp_path / "p.parquet", chunk_rows=50)
    assert answers.columns[0] == "row"
    assert answers["row"].tolist() == list(range(178))


def test_ids_with_commas_quotes_and_zeros_survive_csv(bundle, trained, tmp_path):
    frame = trained.frame.head(3).assign(bottle=["007", 'one, "two"', "ü\nnew line"])
    frame.to_csv(tmp_path / "in.csv", index=False)
    answers = score(bundle, tmp_path / "in.csv", tmp_path / "p.csv")
    assert answers["bottle"].tolist() == ["007", 'one, "two"', "ü\nnew line"]


def test_a_regression_writes_its_values(regressor, table, tmp_path):
    bundle = regressor.write(tmp_path / "ash")
    answers = score(bundle, table, tmp_path / "p.csv")
    assert answers.columns.tolist() == ["bottle", "prediction"]
    np.testing.assert_allclose(
        answers["prediction"], regressor.reference(regressor.frame), atol=1e-4
    )


def test_a_wrong_table_leaves_an_older_output_as_it_was(bundle, trained, tmp_path):
    trained.frame.drop(columns="hue").to_csv(tmp_path / "in.csv", index=False)
    output = tmp_path / "p.csv"
    output.write_text("older")
    with pytest.raises(UserError, match="hue"):
        score(bundle, tmp_path / "in.csv", output)
    assert output.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "p.csv"]


def test_a_mistake_in_a_late_row_leaves_no_output(bundle, trained, tmp_path):
    frame = trained.frame.astype({"hue": "object"})
    frame.loc[170, "hue"] = "purple"
    frame.to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(UserError, match="hue"):
        score(bundle, tmp_path / "in.csv", tmp_path / "p.csv", chunk_rows=20)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_the_output_must_name_a_format(bundle, table, tmp_path):
    with pytest.raises(UserError, match=r"p\.xlsx: the name must say the format"):
        score(bundle, table, tmp_path / "p.xlsx")


def test_the_input_is_never_overwritten(bundle, table):
    with pytest.raises(UserError, match="this is the input"):
        score(bundle, table, table)


def test_the_last_line_tells_rows_and_time(bundle, table, tmp_path, capsys):
    score(bundle, table, tmp_path / "p.csv")
    shown = capsys.readouterr()
    assert "p.csv: 178 rows scored in " in shown.out
    assert shown.err == ""  # no progress bar where there is no terminal


@pytest.mark.parametrize("packed", [False, True], ids=["directory", "zip"])
def test_the_command_imports_no_training_library(bundle, table, tmp_path, packed):
    path = write_zip(bundle, tmp_path / "wine.zip") if packed else bundle
    code = (
        "import sys\n"
        "from bigmodel.predict import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "heavy = {'torch', 'pytorch_lightning', 'sklearn', 'scipy', 'onnx'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    overrides = [f"bundle={path}", f"input={table}", f"output={tmp_path / 'p.csv'}"]
    run = subprocess.run([sys.executable, "-c", code, *overrides], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert len(pd.read_csv(tmp_path / "p.csv")) == 178


def test_help_names_every_setting(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("bundle=", "input=", "output=", "chunk_rows", "threads"):
        assert name in shown


def test_all_missing_settings_are_named_at_once():
    with pytest.raises(UserError) as caught:
        main(["bundle=here"])
    assert [line.split(": ")[1] for line in caught.value.lines] == ["input", "output"]
