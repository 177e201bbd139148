"""`data=images`: where images may be, which are for what, and what is left out by rule."""

import numpy as np
import pandas as pd
import pytest
from pictures import COLOURS, SIDE, encoded, noisy, write_folder, zipped
from PIL import Image

from bigmodel.data import cache
from bigmodel.data.image.images import ImageData
from bigmodel.data.schema import Schema
from bigmodel.data.splits import TEST, TRAIN, UNUSED, VAL
from bigmodel.data.tables import CsvData
from bigmodel.errors import UserError


def prepared(path, **settings):
    return ImageData(str(path), **settings).prepared


def notes(table) -> str:
    return "\n".join(table.quality["notes"])


def test_a_folder_of_class_folders_is_split_as_any_table(colours):
    table = prepared(colours)
    assert table.schema.target.classes == tuple(COLOURS)
    assert table.inputs.image.shape == (36, 3, SIDE, SIDE)
    assert [len(table.rows(part)) for part in (TRAIN, VAL, TEST)] == [18, 9, 9]
    assert table.schema.ids == ("file",)
    first = table.inputs.image[0].mean(axis=(1, 2))
    np.testing.assert_allclose(first, COLOURS["blue"], atol=15)


def test_folders_called_train_and_test_are_splits_and_val_is_cut_from_train(tmp_path):
    root = write_folder(tmp_path / "set", each=8, splits=("train", "test"))
    table = prepared(root)
    assert len(table.rows(TEST)) == 24
    assert len(table.rows(TRAIN)) == 16
    assert len(table.rows(VAL)) == 8


def test_three_splits_with_other_names(tmp_path):
    root = write_folder(tmp_path / "set", each=5, splits=("Training", "valid", "testing"))
    table = prepared(root)
    assert [len(table.rows(part)) for part in (TRAIN, VAL, TEST)] == [15, 15, 15]


def test_a_class_may_be_called_test(tmp_path):
    root = write_folder(tmp_path / "set", each=6)
    (root / "red").rename(root / "test")
    assert "test" in prepared(root).schema.target.classes


def test_a_zip_with_a_folder_around_is_the_same_set(tmp_path):
    root = write_folder(tmp_path / "set", each=8, splits=("train", "test"))
    one, other = prepared(root), prepared(zipped(root, tmp_path / "set.zip"))
    np.testing.assert_array_equal(one.inputs.image, other.inputs.image)
    np.testing.assert_array_equal(one.split, other.split)
    assert one.schema.target == other.schema.target


def test_a_table_with_paths_and_other_columns(colours, tmp_path):
    files = sorted(colours.rglob("*.png"))
    table = pd.DataFrame(
        {
            "photo": [file.relative_to(tmp_path).as_posix() for file in files],
            "price": np.arange(len(files)) * 1.5,
            "colour": [file.parent.name for file in files],
        }
    )
    table.to_csv(tmp_path / "shop.csv", index=False)
    table.to_parquet(tmp_path / "shop.parquet")
    for name in ("shop.csv", "shop.parquet"):
        made = prepared(tmp_path / name, image="photo", target="colour")
        assert made.inputs.image.shape == (36, 3, SIDE, SIDE)
        assert made.inputs.numeric.shape[0] == 36
        assert "price" in made.encoder.numeric_names
        assert made.schema.ids == ("file",)


def test_the_size_and_the_channels_are_what_is_asked_for(colours):
    assert prepared(colours, size=8, channels=1).inputs.image.shape[1:] == (1, 8, 8)
    assert prepared(colours, size=[6, 10]).inputs.image.shape[1:] == (3, 6, 10)


def test_grey_images_have_one_channel_also_when_stored_in_colour(colours):
    for file in colours.rglob("*.png"):
        Image.open(file).convert("L").convert("RGB").save(file)
    assert prepared(colours).inputs.image.shape[1] == 1


def test_large_images_are_made_small_unless_told(tmp_path):
    for name, colour in COLOURS.items():
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(4):
            noisy(colour, index, side=100).save(tmp_path / "set" / name / f"{index}.jpg")
    assert prepared(tmp_path / "set").inputs.image.shape[2:] == (64, 64)


def test_broken_images_are_named_and_left_out(colours, broken_images):
    for name, content in broken_images.items():
        (colours / "red" / f"{name}.png").write_bytes(content)
    table = prepared(colours)
    assert (table.split == UNUSED).sum() == len(broken_images)
    assert [len(table.rows(part)) for part in (TRAIN, VAL, TEST)] == [18, 9, 9]
    assert "5 of 41 images cannot be read and are left out: " in notes(table)
    assert "empty.png is empty" in notes(table)
    assert table.quality["unused_rows"] == 5


def test_too_many_broken_images_are_an_error(colours, refusal):
    for index in range(6):
        (colours / "red" / f"broken{index}.png").write_bytes(b"nothing")
    line = refusal(colours)
    assert line.startswith(f"{colours}: 6 of 42 images cannot be read (broken0.png is none of ")
    assert line.endswith("correct the files, or leave them out")


def test_a_class_with_one_image_trains_with_it(colours):
    (colours / "violet").mkdir()
    noisy((120, 40, 200), 0).save(colours / "violet" / "only.webp")
    table = prepared(colours)
    assert "classes with 1 row, in train: violet" in notes(table)
    code = table.schema.target.classes.index("violet")
    assert (table.target[table.rows(TRAIN)] == code).sum() == 1


def test_other_files_are_counted_and_hidden_ones_are_not(colours):
    (colours / "red" / "notes.txt").write_text("remember")
    (colours / ".DS_Store").write_text("x")
    assert "not used: .txt 1" in notes(prepared(colours))


def test_equal_images_are_duplicates(colours):
    source = colours / "red" / "000.png"
    for index in range(3):
        (colours / "red" / f"copy{index}.png").write_bytes(source.read_bytes())
    assert prepared(colours).quality["duplicates"]["rows"] == 3


def test_the_sample_of_a_bundle_holds_the_images_themselves(colours):
    sample = prepared(colours).sample
    assert {type(cell) for cell in sample["image"]} == {bytes}


def test_a_large_image_is_kept_as_its_pixels(tmp_path):
    rng = np.random.default_rng(0)
    for name in COLOURS:
        (tmp_path / "set" / name).mkdir(parents=True)
        for index in range(4):
            noise = Image.fromarray(rng.integers(0, 256, (300, 300, 3), dtype=np.uint8))
            (tmp_path / "set" / name / f"{index}.png").write_bytes(encoded(noise))
    table = prepared(tmp_path / "set", size=8)
    assert max(map(len, table.sample["image"])) < 1000
    row = table.rows(TRAIN)[0]
    np.testing.assert_array_equal(
        table.encoder.transform(table.sample).image[0], table.inputs.image[row]
    )


def test_the_second_time_comes_from_the_cache_until_an_image_changes(colours):
    first = prepared(colours)
    assert len(cache.entries()) <= 1
    again = prepared(colours)
    np.testing.assert_array_equal(first.inputs.image, again.inputs.image)
    assert isinstance(again.inputs.image.base, np.memmap)
    noisy((0, 0, 0), 5).save(colours / "red" / "000.png")
    changed = prepared(colours)
    assert not isinstance(changed.inputs.image.base, np.memmap)
    assert (changed.inputs.image != first.inputs.image).any()


def test_a_class_that_is_renamed_is_another_table(colours):
    prepared(colours)
    (colours / "red").rename(colours / "scarlet")
    assert "scarlet" in prepared(colours).schema.target.classes


def test_the_schema_survives_json(colours):
    schema = prepared(colours).schema
    assert Schema.from_json(schema.to_json()) == schema
    assert next(c for c in schema.columns if c.kind == "image").shape == (3, SIDE, SIDE)


def test_long_tails_are_made_as_of_tables(colours):
    from bigmodel.data.long_tail import LongTail

    table = prepared(colours, long_tail=LongTail(6))
    assert sorted(np.bincount(table.target[table.rows(TRAIN)])) == [1, 2, 6]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: root / "nowhere", "no such folder"),
        (lambda root: root.joinpath("empty").mkdir() or root / "empty", "there is no image in it"),
        (lambda root: _loose(root), "loose.png is in no class folder"),
        (lambda root: _written(root / "t.csv", b"a,b\n1,2\n"), "for a table set data.image=COLUMN"),
        (
            lambda root: _written(root / "x.zip", b"PK\x03\x04 damaged"),
            "neither a folder nor a zip",
        ),
    ],
)
def test_what_holds_no_classes_is_one_line(tmp_path, refusal, make, words):
    assert words in refusal(make(tmp_path))


def _loose(root):
    noisy((1, 2, 3), 0).save(root / "loose.png")
    return root


def _written(path, content):
    path.write_bytes(content)
    return path


def test_a_wrong_column_of_paths_is_named(tmp_path, refusal):
    path = _written(tmp_path / "t.csv", b"photo,y\na.png,1\nb.png,2\n")
    assert "has no column 'foto'; did you mean 'photo'?" in refusal(path, image="foto", target="y")
    line = refusal(path, image="photo", target="y")
    assert "2 of 2 images cannot be read (a.png cannot be read (No such file or directory)" in line


def test_images_are_no_kind_of_any_other_table(tmp_path):
    path = _written(tmp_path / "t.csv", b"photo,x,y\na.png,1,0\nb.png,2,1\n")
    with pytest.raises(UserError, match=r"with data=images data.image=photo$"):
        CsvData(str(path), target="y", kinds={"photo": "image"}).setup()


def test_a_class_of_the_test_that_was_never_trained_is_named(tmp_path):
    root = write_folder(tmp_path / "set", each=4, splits=("train", "test"))
    (root / "train" / "red").rename(root / "elsewhere")
    with pytest.raises(UserError, match=r"test.red.000.png: the target 'class': 'red' is not a"):
        prepared(root / "train", test_path=str(root / "test"))
