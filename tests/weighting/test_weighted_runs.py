"""Every option of the group, every preset: it trains, reaches the bundle, says what it did."""

import csv
import json

import pandas as pd
import pytest
from conftest import BUSINESS, SMALL, quietly
from sklearn.datasets import load_digits

import bigmodel
from bigmodel import cli
from bigmodel.config.paths import CONF

COSTS = ["weighting.fp=fp", "weighting.fn=fn"]
ON_BUSINESS = {
    "quality_column": ["weighting.column=quality"],
    "value_column": ["weighting.column=value", "weighting.transform=log1p"],
    "value_costs": COSTS,
    "bmr": COSTS,
    "compose": ["weighting.sources.value.column=value", "weighting.sources.quality.column=quality"],
}
OPTIONS = sorted(path.stem for path in (CONF / "weighting").glob("*.yaml"))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_trains_and_reaches_the_bundle(business, option):
    if option in ON_BUSINESS:
        given = [*BUSINESS, *ON_BUSINESS[option]]
        frame = pd.read_csv(business)
    else:
        factor = 5 if option.startswith("quality") else 20
        given = [f"data.long_tail.imbalance_factor={factor}"]
        frame = load_digits(as_frame=True).data
    given += ["weighting.epochs=2"] if option == "quality_confident" else []
    result = bigmodel.fit([*SMALL, f"weighting={option}", *given])
    answers = bigmodel.load(result.bundle).predict(frame.head(20))
    assert answers["prediction"].notna().all()
    config = (result.bundle / "config.yaml").read_text()
    assert f"{option if option in ON_BUSINESS else 'weighting'}" in config or "weighting:" in config


def test_a_sweep_over_strategies_runs(here):
    sweep = ["train", "-m", "weighting=none,inverse,logit_adjust,ldam", *SMALL]
    said = quietly(cli.dispatch, [*sweep, "data.long_tail.imbalance_factor=40"])
    assert said.count("bundle: ") == 4
    assert "ranked on val/macro_f1" in said


def test_the_weighting_sweep_ranks_its_runs(here):
    given = ["experiment=weighting_sweep", "data.long_tail.imbalance_factor=40", *SMALL]
    short = 'hydra.sweeper.params.weighting="none,sampler,crt"'
    said = quietly(cli.dispatch, ["train", *given, short])
    (path,) = here.glob("sweeps/*/*/leaderboard.csv")
    rows = list(csv.DictReader(path.open()))
    scores = [float(row["val/macro_f1"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert sorted(row["settings"].split("weighting=")[1].split()[0] for row in rows) == [
        "crt", "none", "sampler",
    ]  # fmt: skip
    assert "ranked on val/macro_f1" in said


@pytest.mark.parametrize("name", ["long_tail", "noisy_labels", "business_value"])
def test_every_preset_runs(business, name):
    more = [*BUSINESS, *COSTS] if name == "business_value" else []
    result = bigmodel.fit([f"experiment={name}", *more, *SMALL])
    assert result.bundle.is_dir()


def test_uneven_classes_are_shown_with_their_weights_and_groups(here):
    tail = "data.long_tail.imbalance_factor=40"
    said = quietly(cli.dispatch, ["train", "weighting=inverse", tail, *SMALL])
    assert "│ 1     │ 91         │ many   │ 0.292  │" in said
    assert "│ 8     │ 2          │ few    │ 13.3   │" in said
    (path,) = here.glob("runs/*/*/metrics.json")
    metrics = json.loads(path.read_text())
    for group in ("many", "medium", "few"):
        assert 0 <= metrics[f"test/{group}_recall"] <= 1


def test_weights_count_in_the_metrics_only_on_demand(business):
    column = ["weighting=value_column", "weighting.column=value"]
    plain = bigmodel.fit([*BUSINESS, *SMALL, *column])
    both = bigmodel.fit([*BUSINESS, *SMALL, *column, "weighting.evaluate_weighted=true"])
    assert not any("weighted" in name for name in plain.metrics)
    for name in ("accuracy", "macro_f1", "log_loss"):
        assert both.metrics[f"test/{name}"] == plain.metrics[f"test/{name}"]
    table = pd.read_csv(business)
    splits = pd.read_parquet(both.run_dir / "splits.parquet")
    test = splits["split"] == "test"
    right = bigmodel.load(both.bundle).predict(table)["prediction"] == table["y"]
    expected = (right * table["value"].clip(upper=1e9))[test].sum() / table["value"][test].sum()
    assert both.metrics["test/weighted_accuracy"] == pytest.approx(expected, abs=0.02)
    assert (pd.read_parquet(plain.run_dir / "splits.parquet")["weight"][test] == 1).all()


def test_columns_that_weigh_rows_are_no_features(business):
    result = bigmodel.fit(
        ["data=csv", "data.path=business.csv", "data.target=y", "data.drop=[fp,fn,value]", *SMALL,
         "weighting=quality_column", "weighting.column=quality"]
    )  # fmt: skip
    schema = json.loads((result.bundle / "schema.json").read_text())
    assert [column["name"] for column in schema["columns"]] == ["a", "b", "c"]
