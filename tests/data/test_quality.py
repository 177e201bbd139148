import json

import numpy as np
import pandas as pd
import pytest

from bigmodel.data.quality import lines


@pytest.fixture
def summary(write, prepared):
    """A function that gives the summary of a frame with the target `y`."""

    def summarise(frame: pd.DataFrame, **settings: object) -> dict:
        quality = prepared(write(frame.to_csv(index=False)), **settings).quality
        assert json.loads(json.dumps(quality, allow_nan=False)) == quality
        return quality

    return summarise


def noise(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(rows) < 0.3, "yes", "no")
    numbers, letters = rng.normal(size=rows), rng.choice(list("uvw"), rows)
    return pd.DataFrame({"a": numbers, "b": letters, "y": labels})


def said(quality: dict, start: str) -> str:
    return next(line for line in lines(quality) if line.startswith(start))


def test_a_sound_table_needs_two_lines(summary):
    quality = summary(noise())
    assert lines(quality) == [
        "table: 600 rows (train 300, val 150, test 150); columns: 1 numeric, 1 categorical",
        f"target: y (binary), 2 classes of {quality['balance']['yes']} to "
        f"{quality['balance']['no']} train rows",
    ]


def test_the_balance_is_that_of_the_training_rows(summary):
    frame = noise().assign(y=["common"] * 580 + ["rare"] * 20)
    quality = summary(frame)
    assert quality["balance"] == {"common": 290, "rare": 10}
    assert said(quality, "target").endswith(
        "2 classes, from 290 train rows (common) to 10 (rare), 29 : 1"
    )


def test_a_regression_tells_its_range(summary):
    quality = summary(noise().assign(y=np.linspace(0, 50, 600)))
    assert quality["balance"]["50%"] == pytest.approx(25, abs=1)
    assert "(regression), from 0" in said(quality, "target")


def test_missing_and_constant_columns_are_named(summary):
    frame = noise().assign(c=3, d="same", e=[None, 1.5] * 300)
    quality = summary(frame)
    assert quality["constant"] == ["c", "d"]
    assert quality["missing"] == {"e": 300}
    assert said(quality, "missing") == "missing values: e 300"
    assert said(quality, "constant") == "constant columns: c, d"


def test_equal_rows_are_counted_within_and_across_the_parts(summary):
    frame = pd.concat([noise(), noise()], ignore_index=True)
    quality = summary(frame)
    doubles = quality["duplicates"]
    assert doubles["rows"] == 600
    assert 100 < doubles["test_rows_in_train"] <= 200
    assert "600 rows repeat another" in said(quality, "duplicates")


def test_grouping_keeps_equal_rows_together(summary):
    frame = pd.concat([noise(), noise()], ignore_index=True)
    frame["g"] = np.arange(len(frame)) % 600
    quality = summary(frame, **{"split": _split(by="group", column="g")})
    assert quality["duplicates"]["test_rows_in_train"] == 0


def _split(**settings: object):
    from bigmodel.data.splits import Split

    return Split(**settings)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_columns_that_tell_the_target_alone_are_suspected(summary, task):
    frame = noise(1000)
    rng = np.random.default_rng(1)
    if task == "multiclass":
        frame["y"] = rng.choice(list("abcd"), 1000)
    if task == "regression":
        frame["y"] = rng.normal(size=1000)
    codes = pd.factorize(frame["y"])[0]
    frame["copy"] = frame["y"] * 2 + 1 if task == "regression" else frame["y"] + "!"
    frame["near"] = codes * 10 + rng.normal(0, 0.1, 1000)
    frame["hint"] = codes * 0.5 + rng.normal(0, 1, 1000)
    expected = {"copy", "near"} if task != "regression" else {"copy"}
    quality = summary(frame)
    assert set(quality["leakage_suspects"]) == expected
    assert "copy (" in said(quality, "leakage suspects")


def test_a_rare_class_does_not_make_everything_suspect(summary):
    frame = noise(2000).assign(y=["no"] * 1960 + ["yes"] * 40)
    assert summary(frame)["leakage_suspects"] == {}


def test_without_a_summary_the_notes_stay(summary):
    quality = summary(noise().assign(id=range(600)), quality=False)
    assert lines(quality) == [
        "note: taken as ids (not fed to the network, copied to predictions): id"
    ]


def test_classes_with_few_rows_are_said(summary):
    frame = noise()
    frame["y"] = ["common"] * 300 + ["other"] * 297 + ["one"] + ["two"] * 2
    notes = summary(frame)["notes"]
    assert "classes with 1 row, in train: one" in notes
    assert "classes with 2 rows, in train and one other part: two" in notes
