"""Every option of the group, every preset: it trains, reaches the bundle, says what it did."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from conftest import BUSINESS, SMALL, business_table
from safetensors.numpy import load_file
from sklearn.datasets import load_digits

import bigmodel
from bigmodel.config.paths import CONF
from bigmodel.train import Result

Fitted = Callable[..., Result]

COSTS = ["weighting.fp=fp", "weighting.fn=fn"]
ON_BUSINESS = {
    "quality_column": ["weighting.column=quality"],
    "value_column": ["weighting.column=value", "weighting.transform=log1p"],
    "value_costs": COSTS,
    "bmr": COSTS,
    "compose": ["weighting.sources.value.column=value", "weighting.sources.quality.column=quality"],
}
ON_DIGITS = {
    "drw": ["weighting.start=0.5"],
    "ldam_drw": ["weighting.sources.weights.start=0.5"],
    "quality_confident": ["weighting.epochs=2"],
    "tau_norm": ["weighting.tau=0.5"],
}
OPTIONS = sorted(path.stem for path in (CONF / "weighting").glob("*.yaml"))
AFTER_THE_FIT = ("none", "logit_adjust_posthoc", "bmr")  # train as if there was no weighting


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Fitted:
    """A small fit with these settings; each one happens once."""
    place, done = tmp_path_factory.mktemp("fitted"), {}
    business_table().to_csv(place / "business.csv", index=False)
    tables = {
        True: [*BUSINESS, f"data.path={place / 'business.csv'}"],
        False: ["data.long_tail.imbalance_factor=20"],
    }

    def fit(option: str, *more: str, business: bool = False) -> Result:
        given = (*SMALL, *tables[business], f"weighting={option}", *more)
        if given not in done:
            done[given] = bigmodel.fit([*given, f"hydra.run.dir={place / str(len(done))}"])
        return done[given]

    return fit


def fit_of(fitted: Fitted, option: str) -> Result:
    on_business = option in ON_BUSINESS
    more = ON_BUSINESS[option] if on_business else ON_DIGITS.get(option, [])
    return fitted(option, *more, business=on_business)


def weights(result: Result) -> dict[str, np.ndarray]:
    return load_file(result.bundle / "model.safetensors")


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return {k: v.tobytes() for k, v in one.items()} == {k: v.tobytes() for k, v in other.items()}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_trains_and_reaches_the_bundle(fitted, option):
    result = fit_of(fitted, option)
    frame = business_table() if option in ON_BUSINESS else load_digits(as_frame=True).data
    assert bigmodel.load(result.bundle).predict(frame.head(20))["prediction"].notna().all()
    plain = fitted("none", business=option in ON_BUSINESS)
    assert same(weights(result), weights(plain)) == (option in AFTER_THE_FIT)
    splits = [pd.read_parquet(r.run_dir / "splits.parquet") for r in (result, plain)]
    assert (splits[0]["split"] == splits[1]["split"]).all()
    train = splits[0]["split"] == "train"
    assert splits[0]["weight"][train].mean() == pytest.approx(1, abs=1e-4)
    assert (splits[0]["weight"][~train] == 1).all()


def test_the_same_strategy_and_seed_give_the_same_bytes(fitted):
    named = [weights(fitted(o)) for o in ("logit_adjust", "balanced_softmax", "auto")]
    assert same(named[0], named[1])
    assert same(named[0], named[2])
    assert not same(named[0], weights(fitted("logit_adjust", "seed=1")))


@pytest.mark.parametrize("option", ["crt", "tau_norm"])
def test_a_second_stage_changes_the_last_layer_only(fitted, option):
    before, after = weights(fitted("none")), weights(fit_of(fitted, option))
    changed = {name for name in before if before[name].tobytes() != after[name].tobytes()}
    assert changed == {"head.weight", "head.bias"}
    if option == "tau_norm":
        norms = np.linalg.norm(before["head.weight"], axis=1, keepdims=True)
        expected = before["head.weight"] / np.sqrt(norms)
        np.testing.assert_allclose(after["head.weight"], expected, rtol=1e-5)
        assert not after["head.bias"].any()


def test_weights_count_in_the_metrics_only_on_demand(fitted):
    column, demand = ["weighting.column=value"], "weighting.evaluate_weighted=true"
    plain = fitted("value_column", *column, business=True)
    both = fitted("value_column", *column, demand, business=True)
    assert same(weights(plain), weights(both))
    assert not any("weighted" in name for name in plain.metrics)
    for name, value in plain.metrics.items():
        if name.startswith(("val/", "test/")):
            assert both.metrics[name] == value
    splits, table = pd.read_parquet(both.run_dir / "splits.parquet"), business_table()
    # at most 20 times the mean, which these values are not
    expected = table["value"] / table["value"][splits["split"] == "train"].mean()
    np.testing.assert_allclose(splits["weight"], expected, rtol=1e-5)
    answers = bigmodel.load(both.bundle).predict(table)
    own = np.where(table["y"] == "yes", answers["probability/yes"], answers["probability/no"])
    right = answers["prediction"] == table["y"]
    for part in ("val", "test"):
        rows = splits["split"] == part
        found = {name: both.metrics[f"{part}/weighted_{name}"] for name in ("accuracy", "log_loss")}
        assert found == pytest.approx(
            {
                "accuracy": np.average(right[rows], weights=expected[rows]),
                "log_loss": np.average(-np.log(own[rows]), weights=expected[rows]),
            },
            rel=1e-4,
        )


def test_columns_that_weigh_rows_are_no_features(fitted):
    result = fitted("value_column", "weighting.column=value", "data.drop=[fp,fn]", business=True)
    schema = json.loads((result.bundle / "schema.json").read_text())
    assert [column["name"] for column in schema["columns"]] == ["a", "b", "c", "quality"]
