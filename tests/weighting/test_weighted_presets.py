"""Sweeps over strategies, the presets, and numbers as targets."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import BUSINESS, SMALL, quietly

import bigmodel
from bigmodel import cli

COSTS = ["weighting.fp=fp", "weighting.fn=fn"]
TAIL = "data.long_tail.imbalance_factor=40"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> tuple[str, Path]:
    """What a sweep over strategies says, and where its runs are."""
    place = tmp_path_factory.mktemp("sweep")
    given = ["-m", "weighting=none,inverse,logit_adjust,ldam", TAIL, *SMALL]
    return quietly(cli.dispatch, ["train", *given, f"hydra.sweep.dir={place}"]), place


def test_a_sweep_over_strategies_runs(sweep):
    said, place = sweep
    assert said.count("bundle: ") == 4
    assert "ranked on val/macro_f1" in said
    assert len(list(place.glob("*/bundle/manifest.json"))) == 4


def test_uneven_classes_are_shown_with_their_weights_and_groups(sweep):
    said, place = sweep
    assert "│ 1     │ 91         │ many   │ 0.292  │" in said  # inverse
    assert "│ 8     │ 2          │ few    │ 13.3   │" in said
    metrics = json.loads((place / "1" / "metrics.json").read_text())
    for group in ("many", "medium", "few"):
        assert 0 <= metrics[f"test/{group}_recall"] <= 1


def test_the_weighting_sweep_has_no_mistake(here):
    assert cli.guarded(lambda: cli.dispatch(["check", "-m", "experiment=weighting_sweep"])) == 0


@pytest.mark.parametrize("name", ["long_tail", "noisy_labels", "business_value"])
def test_every_preset_runs(business, name):
    more = [*BUSINESS, *COSTS] if name == "business_value" else []
    result = bigmodel.fit([f"experiment={name}", *more, *SMALL])
    assert result.bundle.is_dir()
    monitors = {"long_tail": "val/macro_f1", "business_value": "val/log_loss"}
    assert result.monitor == monitors.get(name, "val/macro_f1")
    assert (result.run_dir / "label_issues.csv").exists() == (name == "noisy_labels")
    assert ("val/savings" in result.metrics) == (name == "business_value")


def test_rows_with_a_number_as_target_may_be_weighed(here):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=120), "z": rng.normal(size=120)}).assign(
        y=lambda t: 10 * t["x"] + t["z"], worth=np.tile([1.0, 2.0, 3.0], 40), sure=0.5
    )
    table["part"] = ["train"] * 60 + ["val", "test"] * 30
    table.to_csv("table.csv", index=False)
    source = ["data=csv", "data.path=table.csv", "data.target=y", "data.task=regression"]
    split = ["data.split.by=column", "data.split.column=part"]
    columns = ["value.column=worth", "quality.column=sure"]
    given = [*source, *split, *(f"weighting.sources.{column}" for column in columns)]
    demand = "weighting.evaluate_weighted=true"
    result = bigmodel.fit([*given, *SMALL, "weighting=compose", demand])
    weight = pd.read_parquet(result.run_dir / "splits.parquet")["weight"]
    np.testing.assert_allclose(weight, table["worth"] / 2, rtol=1e-6)  # all are as sure
    off = bigmodel.load(result.bundle).predict(table)["prediction"] - table["y"]
    test = table["part"] == "test"
    squares = np.average(off[test] ** 2, weights=table["worth"][test])
    assert result.metrics["test/weighted_rmse"] == pytest.approx(np.sqrt(squares), rel=1e-4)
    assert result.metrics["test/rmse"] == pytest.approx(np.sqrt((off[test] ** 2).mean()), rel=1e-4)
