"""What must not be combined, and what no weight can be made of: one line each, exit code 2."""

import pandas as pd
import pytest
from conftest import BUSINESS

from bigmodel import cli

BOTH = ["weighting=compose", "~weighting.sources.value", "~weighting.sources.quality"]


def add(name: str, option: str) -> str:
    return f"+weighting@weighting.sources.{name}={option}"


def test_two_sources_may_not_correct_the_same_prior(here, refused):
    line = refused("check", *BOTH, add("one", "inverse"), add("two", "sampler"))
    assert line.endswith(
        "weighting: inverse and sampler both correct the class prior; "
        "keep one of them, or set weighting.allow_double=true"
    )


def test_a_prior_corrected_late_is_corrected_too(here, refused):
    line = refused("check", *BOTH, add("one", "logit_adjust"), add("two", "drw"))
    assert "weighting: logit_adjust and drw both correct the class prior;" in line


def test_who_insists_may(here):
    given = [*BOTH, add("one", "inverse"), add("two", "sampler"), "weighting.allow_double=true"]
    assert cli.guarded(lambda: cli.dispatch(["check", *given])) == 0


def test_cost_weights_and_the_cost_decision_count_twice(here, refused):
    costs = [f"weighting.sources.{name}.{cost}=1" for name in "ab" for cost in ("fp", "fn")]
    line = refused("check", *BOTH, add("a", "value_costs"), add("b", "bmr"), *costs)
    assert "weighting: value_costs and bmr both correct the costs;" in line
    line = refused("check", *BOTH, add("a", "inverse"), add("b", "bmr"), *costs[2:])
    assert "weighting: inverse and bmr both correct the class prior;" in line


def test_quality_is_not_deferred(here, refused):
    defer = ["weighting=drw", "weighting@weighting.of=quality_aum"]
    assert refused("check", *defer).endswith(
        "weighting: drw cannot defer quality_aum; it takes inverse, effective_number or sampler"
    )


def test_nothing_but_the_train_split_is_fitted_on(here, refused):
    line = refused("check", "weighting=inverse", "+weighting.split=val")
    assert line.startswith(
        "command line (+weighting.split=val): weighting.split: Inverse has no such setting"
    )


@pytest.mark.parametrize("option", ["quality_confident", "quality_aum"])
def test_a_class_may_be_too_small_for_an_estimate(here, refused, option):
    line = refused("check", "data.long_tail.imbalance_factor=40", f"weighting={option}")
    assert line == (
        f"weighting: {option} needs 4 training rows of each class, '8' has 2; "
        "leave the class out, or use quality_column"
    )


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
        ([0.0] * 60, "weighting.column: column 'w' is 0 in all training rows, so nothing"),
        ([0.5, 3.0] * 30, "the quality 3 is above 1; scale the column to 0..1"),
        (
            ["good"] * 60,
            "table.csv: line 2: column 'w', which weighs the rows: 'good' is not a number",
        ),
    ],
)
def test_a_column_that_says_no_quality(here, refused, column, expected):
    frame = pd.DataFrame({"x": range(60), "z": [1, 2, 3] * 20, "y": ["a", "b"] * 30, "w": column})
    frame.to_csv("table.csv", index=False)
    given = ["data=csv", "data.path=table.csv", "data.target=y", "weighting=quality_column"]
    assert expected in refused("check", *given, "weighting.column=w")


def test_a_column_that_is_not_there(business, refused):
    line = refused("check", *BUSINESS, "weighting=value_column", "weighting.column=valeu")
    assert line == "weighting: the table has no column 'valeu'; did you mean 'value'?"
    line = refused("check", *BUSINESS, "weighting=value_column", "weighting.column=y")
    assert line == "weighting: 'y' is the target; name another column"


def test_a_number_has_no_classes(here, refused):
    assert refused("check", "data=diabetes", "weighting=logit_adjust") == (
        "weighting: logit_adjust balances classes, and the target is a number; "
        "use value_column, quality_column or none"
    )


@pytest.mark.parametrize("option", ["bmr", "value_costs"])
def test_costs_are_of_two_classes(here, refused, option):
    costs = ["weighting.fp=1", "weighting.fn=2"]
    assert refused("check", "data=wine", f"weighting={option}", *costs) == (
        f"weighting: {option} needs a target of two classes, this one has 3; use value_column"
    )


@pytest.mark.parametrize("option", ["ldam", "crt", "tau_norm"])
def test_a_network_without_a_head_is_refused_before_the_fit(here, refused, option):
    line = refused("train", "data=wine", "model=linear", f"weighting={option}")
    assert "works on a network's last layer, and Linear has no `features`" in line
    assert not list(here.glob("runs/*/*/checkpoints/*"))
