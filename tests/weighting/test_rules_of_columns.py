"""Columns of which no weight can be made: one line each, exit code 2."""

import numpy as np
import pandas as pd
import pytest
from conftest import BUSINESS

CELLS = {
    "-1.5": "column 'w', row {row} (from 0): the cell is negative (-1.5)",
    "": "column 'w', row {row} (from 0): the cell has no value",
}


@pytest.mark.parametrize("option", ["quality_column", "value_column"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_that_is_no_weight_is_named(here, refused, option, cell):
    rows = [[str(i), str(i % 7), "ab"[i % 2], "0.5"] for i in range(80)]
    rows[33][3] = cell
    rows[33][2] = "a"
    table = pd.DataFrame(rows, columns=["x", "z", "y", "w"]).assign(part="train")
    table.loc[40:, "part"] = ["val", "test"] * 20
    table.to_csv("table.csv", index=False)
    split = ["data.split.by=column", "data.split.column=part"]
    given = ["data=csv", "data.path=table.csv", "data.target=y", *split]
    line = refused("check", *given, f"weighting={option}", "weighting.column=w")
    assert line == (
        f"weighting.column: {CELLS[cell].format(row=33)}; every training row needs a number "
        "of at least 0; correct the cell, or leave out the row"
    )


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (
            [0.0] * 60,
            "weighting.column: column 'w' is 0 in all training rows, so nothing could be learnt; "
            "name another column",
        ),
        (
            [0.5, 1.0, 3.0] * 20,
            "weighting.column: column 'w', row 2 (from 0): the quality 3 is above 1; "
            "scale the column to 0..1",
        ),
        (
            ["0.5"] * 6 + ["good"] * 54,
            "table.csv: line 8: column 'w', which weighs the rows: 'good' is not a number; "
            "correct the cell, or name another column",
        ),
    ],
)
def test_a_column_that_says_no_quality(here, refused, column, expected):
    frame = pd.DataFrame({"x": range(60), "z": [1, 2, 3] * 20, "y": ["a", "b"] * 30, "w": column})
    # the first 40 rows train
    frame["part"] = ["train"] * 40 + ["val", "test"] * 10
    frame.to_csv("table.csv", index=False)
    given = ["data=csv", "data.path=table.csv", "data.target=y", "weighting=quality_column"]
    split = ["data.split.by=column", "data.split.column=part"]
    assert refused("check", *given, *split, "weighting.column=w") == expected


@pytest.mark.parametrize("cell", [-1.0, np.nan])
def test_rows_that_weigh_in_metrics_need_a_weight_too(here, refused, cell):
    frame = pd.DataFrame({"x": range(60), "y": ["a", "b"] * 30, "w": [1.0] * 59 + [cell]})
    frame.assign(part=["train", "train", "val", "test"] * 15).to_csv("table.csv", index=False)
    given = ["data=csv", "data.path=table.csv", "data.target=y", "weighting=value_column"]
    split = ["data.split.by=column", "data.split.column=part"]
    weighted = ["weighting.column=w", "weighting.evaluate_weighted=true"]
    assert "column 'w', row 59 (from 0): the cell" in refused("check", *given, *split, *weighted)


def test_a_column_that_is_not_there(business, refused):
    line = refused("check", *BUSINESS, "weighting=value_column", "weighting.column=valeu")
    assert line == "weighting: the table has no column 'valeu'; did you mean 'value'?"
    line = refused("check", *BUSINESS, "weighting=value_column", "weighting.column=y")
    assert line == "weighting: 'y' is the target; name another column"
