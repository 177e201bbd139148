"""Data modules, as training sees them."""

import numpy as np
import pandas as pd
import pytest
import torch

from bigmodel.data.long_tail import LongTail
from bigmodel.data.prepare import write_splits
from bigmodel.data.quality import lines
from bigmodel.data.splits import Split
from bigmodel.data.tables import CsvData, ParquetData, SklearnData


@pytest.mark.parametrize(
    ("name", "rows", "numbers", "task", "classes"),
    [
        ("digits", 1797, 64, "multiclass", tuple("0123456789")),
        ("breast_cancer", 569, 30, "binary", ("benign", "malignant")),
        ("wine", 178, 13, "multiclass", ("class_0", "class_1", "class_2")),
        ("diabetes", 442, 10, "regression", ()),
    ],
)
def test_the_embedded_tables(name, rows, numbers, task, classes):
    data = SklearnData(name, target="target")
    assert (data.spec.n_numeric, data.spec.task, data.spec.classes) == (numbers, task, classes)
    assert len(data.prepared.split) == rows
    assert data.spec.train_rows == pytest.approx(rows / 2, abs=1)
    assert data.spec.n_outputs == (len(classes) or 1)


def test_all_rows_come_in_their_part_and_only_there(people, write):
    data = CsvData(str(write(people.to_csv(index=False))), target="y", batch_size=50)
    prepared = data.prepared
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    for part, loader in enumerate(loaders):
        rows = prepared.rows(part)
        assert set(loader.rows.tolist()) == set(rows.tolist())
        inputs, target, *_ = next(iter(loader))
        numeric, categorical = inputs["numeric"], inputs["categorical"]
        assert (numeric.dtype, categorical.dtype) == (torch.float32, torch.int32)
        assert numeric.shape[1] == data.spec.n_numeric
        assert categorical.shape[1] == len(data.spec.cardinalities)
        assert target.dtype == torch.int64
        if part:
            np.testing.assert_array_equal(numeric.numpy(), prepared.inputs.numeric[rows])
            np.testing.assert_array_equal(target.numpy(), prepared.target[rows])
    assert len(loaders[0]) == data.spec.train_rows // 50


def test_nothing_is_learnt_from_validation_and_test_rows(people, write):
    whole = CsvData(str(write(people.to_csv(index=False))), target="y").prepared
    changed = people.copy()
    held_out = whole.split != 0
    changed.loc[held_out, "income"] = 1e6
    changed.loc[held_out, "city"] = "Elsewhere"
    again = CsvData(str(write(changed.to_csv(index=False))), target="y").prepared
    assert again.encoder.state()[0] == whole.encoder.state()[0]
    for name, array in whole.encoder.state()[1].items():
        np.testing.assert_array_equal(array, again.encoder.state()[1][name])
    assert again.schema == whole.schema


def test_ready_made_splits_stay_whole(people, write):
    train = write(people.iloc[:120].to_csv(index=False), "train.csv")
    val = write(people.iloc[120:170].to_csv(index=False), "val.csv")
    test = write(people.iloc[170:].to_csv(index=False), "test.csv")
    both = CsvData(str(train), val_path=str(val), test_path=str(test), target="y").prepared
    assert both.split.tolist() == [0] * 120 + [1] * 50 + [2] * 70
    only_test = CsvData(str(train), test_path=str(test), target="y").prepared
    assert np.bincount(only_test.split).tolist() == [80, 40, 70]
    assert (only_test.split[120:] == 2).all()


def test_ready_made_splits_are_encoded_like_the_rest(people, write):
    path = write(people.to_csv(index=False))
    test = write(people.iloc[:50].to_csv(index=False), "test.csv")
    found = CsvData(str(path), test_path=str(test), target="y").prepared
    np.testing.assert_array_equal(found.inputs.numeric[:50], found.inputs.numeric[240:])
    np.testing.assert_array_equal(found.inputs.categorical[:50], found.inputs.categorical[240:])
    np.testing.assert_array_equal(found.target[:50], found.target[240:])


def test_parquet_and_csv_of_one_table_are_the_same(people, write, tmp_path):
    people.to_parquet(tmp_path / "t.parquet")
    csv = CsvData(str(write(people.to_csv(index=False))), target="y").prepared
    parquet = ParquetData(str(tmp_path / "t.parquet"), target="y").prepared
    assert parquet.schema == csv.schema
    np.testing.assert_array_equal(parquet.inputs.numeric, csv.inputs.numeric)
    np.testing.assert_array_equal(parquet.inputs.categorical, csv.inputs.categorical)
    np.testing.assert_array_equal(parquet.split, csv.split)


def test_the_sample_are_raw_training_rows(people, write):
    prepared = CsvData(str(write(people.to_csv(index=False))), target="y").prepared
    rows = prepared.rows(0)[: len(prepared.sample)]
    assert len(prepared.sample) == 32
    assert prepared.sample["zip"].tolist() == people["zip"].iloc[rows].tolist()
    numeric, categorical = prepared.encoder.transform(prepared.sample)[:2]
    np.testing.assert_array_equal(numeric, prepared.inputs.numeric[rows])
    np.testing.assert_array_equal(categorical, prepared.inputs.categorical[rows])


def test_the_sample_survives_parquet(people, write, tmp_path):
    prepared = CsvData(str(write(people.to_csv(index=False))), target="y").prepared
    prepared.sample.to_parquet(tmp_path / "s.parquet")
    back = pd.read_parquet(tmp_path / "s.parquet")
    for ours, theirs in zip(
        prepared.encoder.transform(prepared.sample), prepared.encoder.transform(back), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_rows_of_unknown_splits_are_not_used_and_need_no_label(people, write):
    people["part"] = ["train", "val", "test", "later"] * 60
    people.loc[people["part"] == "later", "y"] = None
    people.loc[3, "y"] = "a label of its own"
    data = CsvData(
        str(write(people.to_csv(index=False))), target="y", split=Split(by="column", column="part")
    )
    assert data.spec.classes == ("old", "young")
    assert data.prepared.quality["unused_rows"] == 60
    assert "part" not in [c.name for c in data.prepared.schema.columns]
    assert data.prepared.quality["notes"][-2:] == [
        "rows with other values in 'part' are not used",
        "'part' splits the rows and is not fed to the network",
    ]


def test_classes_that_training_lacks_are_said(people, write):
    people["y"] = ["first"] * 180 + ["last"] * 60
    split = Split(by="time", column="row_order")
    prepared = CsvData(str(write(people.to_csv(index=False))), target="y", split=split).prepared
    assert "classes without a row in train, never predicted: last" in prepared.quality["notes"]


def test_times_split_by_date(people, write):
    split = Split(by="time", column="joined")
    prepared = CsvData(str(write(people.to_csv(index=False))), target="y", split=split).prepared
    assert people["joined"][prepared.split == 0].max() < people["joined"][prepared.split == 2].min()


def test_a_long_tail_leaves_val_and_test_alone():
    even = SklearnData("digits", target="target").prepared
    tailed = SklearnData("digits", target="target", long_tail=LongTail(40)).prepared
    for part in (1, 2):
        np.testing.assert_array_equal(tailed.rows(part), even.rows(part))
    counts = np.bincount(tailed.target[tailed.rows(0)])
    assert counts.max() / counts.min() == pytest.approx(40, rel=0.25)
    assert lines(tailed.quality)[1].startswith("target: target (multiclass), 10 classes, from 91")


def test_the_splits_file_tells_what_each_row_was_used_for(tmp_path):
    prepared = SklearnData("wine", target="target", long_tail=LongTail(5)).prepared
    write_splits(prepared, np.ones(len(prepared.split)), tmp_path / "splits.parquet")
    table = pd.read_parquet(tmp_path / "splits.parquet")
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        "row": "int64", "split": "str", "weight": "float32",
    }  # fmt: skip
    assert table["row"].tolist() == list(range(178))
    assert set(table["split"]) == {"train", "val", "test", "unused"}
    assert (table["split"] == "train").sum() == len(prepared.rows(0))


def test_the_seed_decides_the_split():
    zero, same, one = (SklearnData("wine", target="target", seed=s).prepared for s in (0, 0, 1))
    np.testing.assert_array_equal(zero.split, same.split)
    assert (zero.split != one.split).any()
