"""From a folder of images to a model that answers about others, without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pictures import COLOURS, SMALL, encoded, noisy, write_folder, zipped

import bigmodel
from bigmodel import cli
from bigmodel.bundle.load import load
from bigmodel.errors import UserError


@pytest.fixture(scope="module")
def bundle(images_run) -> Path:
    return images_run[0].bundle


def run(*arguments: str) -> int:
    return cli.guarded(lambda: cli.dispatch(list(arguments)))


def predict(bundle, source, output) -> pd.DataFrame:
    assert run("predict", f"bundle={bundle}", f"input={source}", f"output={output}") == 0
    return pd.read_csv(output)


def test_a_fit_learns_and_says_what_it_left_out(images_run):
    result, _ = images_run
    assert result.metrics["test/accuracy"] > 0.8
    quality = json.loads((result.run_dir / "data_quality.json").read_text())
    assert "1 of 49 images cannot be read" in quality["notes"][0]
    splits = pd.read_parquet(result.run_dir / "splits.parquet")
    assert (splits["split"] == "unused").sum() == 1
    card = (result.bundle / "CARD.md").read_text()
    assert "| `image` | image | object | none | 3 x 12 x 12 (channels, height, width) |" in card


def test_bytes_paths_and_arrays_get_the_same_answer(bundle, tmp_path):
    content = encoded(noisy(COLOURS["red"], 77))
    (tmp_path / "one.png").write_bytes(content)
    cells = [content, str(tmp_path / "one.png"), np.asarray(noisy(COLOURS["red"], 77))]
    answers = load(bundle).predict(pd.DataFrame({"image": cells}))
    assert set(answers["prediction"]) == {"red"}
    assert answers["probability/red"].nunique() == 1
    assert answers["file"].tolist()[1] == str(tmp_path / "one.png")


def test_a_broken_image_in_a_frame_is_an_error_that_names_its_row(bundle):
    good = encoded(noisy(COLOURS["red"], 0))
    with pytest.raises(
        UserError, match=r"^the frame: row 1 \(from 0\): column 'image': the image is "
    ):
        load(bundle).predict(pd.DataFrame({"image": [good, b"bad"]}))
    with pytest.raises(UserError, match=r"row 0 .*: the image is missing$"):
        load(bundle).predict(pd.DataFrame({"image": [None, good]}))


def test_a_folder_is_scored_file_by_file(bundle, tmp_path):
    folder = write_folder(tmp_path / "new", each=3)
    answers = predict(bundle, folder, tmp_path / "answers.csv")
    assert answers["file"].tolist() == sorted(
        file.relative_to(folder).as_posix() for file in folder.rglob("*.png")
    )
    assert (answers["prediction"] == answers["file"].str.split("/").str[0]).mean() > 0.8


def test_a_zip_and_a_table_of_paths_get_the_answers_of_the_folder(bundle, tmp_path):
    folder = write_folder(tmp_path / "new", each=3)
    by_folder = predict(bundle, folder, tmp_path / "a.csv")
    by_zip = predict(bundle, zipped(folder, tmp_path / "new.zip"), tmp_path / "b.csv")
    paths = [f"new/{name}" for name in by_folder["file"]]
    pd.DataFrame({"image": paths, "other": 1}).to_csv(tmp_path / "t.csv", index=False)
    by_table = predict(bundle, tmp_path / "t.csv", tmp_path / "c.csv")
    assert by_table["file"].tolist() == paths
    values = [answers.drop(columns="file") for answers in (by_folder, by_zip, by_table)]
    pd.testing.assert_frame_equal(values[0], values[1])
    pd.testing.assert_frame_equal(values[0], values[2])


def test_broken_images_of_a_batch_are_skipped_with_a_line_each(
    bundle, tmp_path, broken_images, capsys
):
    folder = write_folder(tmp_path / "new", each=2)
    for index, content in enumerate([*broken_images.values()] * 3):
        (folder / "red" / f"broken{index:02d}.png").write_bytes(content)
    answers = predict(bundle, folder, tmp_path / "answers.csv")
    assert len(answers) == 6
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 11
    assert errors[0] == f"{folder}/red/broken00.png: the image is empty; skipped"
    assert errors[-1] == "and 5 more images were skipped"


def test_only_broken_images_give_no_rows(bundle, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"x")
    output = tmp_path / "answers.parquet"
    assert run("predict", f"bundle={bundle}", f"input={tmp_path / 'bad'}", f"output={output}") == 0
    assert pd.read_parquet(output).empty


def test_labelled_folders_are_measured(bundle, tmp_path, capsys):
    folder = write_folder(tmp_path / "new", each=6)
    (folder / "red" / "broken.png").write_bytes(b"")
    output = tmp_path / "metrics.json"
    assert run("evaluate", f"bundle={bundle}", f"data.path={folder}", f"output={output}") == 0
    metrics = json.loads(output.read_text())
    assert metrics["rows"] == 18
    assert metrics["accuracy"] > 0.8
    assert "broken.png: the image is empty; skipped" in capsys.readouterr().err


def test_a_label_that_the_model_does_not_know_is_named(bundle, tmp_path, capsys):
    folder = write_folder(tmp_path / "new", each=2)
    (folder / "red").rename(folder / "scarlet")
    assert run("evaluate", f"bundle={bundle}", f"data.path={folder}") == 2
    assert f"{folder}/scarlet/000.png: class: 'scarlet' is not a class" in capsys.readouterr().err


def test_answers_need_no_torch(bundle, tmp_path):
    folder = write_folder(tmp_path / "new", each=1)
    code = (
        "import sys; from bigmodel.cli import main; sys.argv[1:] = "
        f"['predict', 'bundle={bundle}', 'input={folder}', 'output={tmp_path}/a.csv']; "
        "assert main() == 0; assert not {'torch', 'albumentations', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(pd.read_csv(tmp_path / "a.csv")) == 3


def test_images_beside_other_columns_are_learnt_from_together(tmp_path):
    """The picture says nothing here; the number beside it does."""
    folder = write_folder(tmp_path / "pictures", each=20)
    files = sorted(folder.rglob("*.png"))
    rng = np.random.default_rng(0)
    number = rng.normal(size=len(files))
    table = pd.DataFrame(
        {
            "picture": [file.relative_to(tmp_path).as_posix() for file in files],
            "number": number.round(3),
            "size": rng.choice(["small", "large"], len(files)),
            "y": np.where(number > 0, "yes", "no"),
        }
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    result = bigmodel.fit(
        [
            *SMALL, f"data.path={tmp_path / 't.csv'}", "data.image=picture", "data.target=y",
            f"hydra.run.dir={tmp_path / 'run'}",
        ]
    )  # fmt: skip
    assert result.metrics["test/accuracy"] > 0.8
    answers = predict(result.bundle, tmp_path / "t.csv", tmp_path / "answers.csv")
    assert answers["file"].tolist() == table["picture"].tolist()
    assert (answers["prediction"] == table["y"]).mean() > 0.8
    with pytest.raises(UserError, match="the column 'number' is missing"):
        load(result.bundle).predict(table[["picture", "size"]])


def test_a_model_of_tables_refuses_images(tmp_path, colours, capsys):
    code = run("train", "data=images", f"data.path={colours}", "model=mlp",
               f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert code == 2
    assert capsys.readouterr().err.splitlines() == [
        "model: MLP reads nothing of what the data has (images); choose another model, such as "
        "model=resnet20 for images and model=text_cnn for texts"
    ]


def test_a_model_of_images_refuses_tables(tmp_path, capsys):
    assert run("train", "data=wine", "model=resnet20", f"hydra.run.dir={tmp_path / 'run'}") == 2
    assert "use data=images" in capsys.readouterr().err
