"""Wrong labels are found, listed worst first, and weigh less."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL
from sklearn.datasets import load_digits

import bigmodel
from bigmodel.data.tables import SklearnData, TableData
from bigmodel.models.networks.mlp import MLP
from bigmodel.training import weigh
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.probe_scores import stratified_folds
from bigmodel.weighting.quality import QualityAUM, QualityConfident, capped
from bigmodel.weighting.strategy import Strategy


def test_at_most_a_share_of_each_class_is_flagged_the_worst_first():
    labels = np.array([0] * 8 + [1] * 4)
    score = np.array([5, 1, 4, 2, 3, 9, 9, 9, 0, 0, 0, 9], dtype=float)
    flagged = score < 9
    kept = capped(flagged, score, labels, 0.25)
    assert np.flatnonzero(kept).tolist() == [1, 3, 8]
    assert capped(flagged, score, labels, None).tolist() == flagged.tolist()


def test_folds_share_each_class_evenly():
    labels = np.repeat([0, 1, 2], [50, 10, 7])
    folds = stratified_folds(labels, 5, seed=3)
    for code, count in ((0, 50), (1, 10), (2, 7)):
        sizes = np.bincount(folds[labels == code], minlength=5)
        assert sizes.max() - sizes.min() <= 1
        assert sizes.sum() == count


@pytest.fixture(scope="module")
def noisy(tmp_path_factory) -> tuple[pd.DataFrame, np.ndarray]:
    """Half of the digits, a fifth of the training labels wrong; which ones."""
    X, y = load_digits(return_X_y=True, as_frame=True)
    rng = np.random.default_rng(0)
    split = np.where(
        np.arange(len(y)) % 4 < 2, "train", np.where(np.arange(len(y)) % 4 == 2, "val", "test")
    )
    wrong = (split == "train") & (rng.random(len(y)) < 0.2)
    labels = np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y)
    return X.assign(y=labels, split=split), wrong


@pytest.mark.parametrize("option", ["quality_aum", "quality_confident"])
def test_wrong_labels_are_found_and_weigh_less(noisy, here, option):
    table, wrong = noisy
    table.to_parquet("noisy.parquet")
    source = ["data=parquet", "data.path=noisy.parquet", "data.target=y"]
    split = ["data.split.by=column", "data.split.column=split"]
    small = [*SMALL, "model.network.hidden=[32]", "data.batch_size=64"]
    quick = ["weighting.epochs=12", "weighting.folds=3"] if "confident" in option else []
    run_dir = bigmodel.fit([*source, *split, *small, f"weighting={option}", *quick]).run_dir
    issues = pd.read_csv(run_dir / "label_issues.csv")
    assert issues["score"].is_monotonic_increasing
    assert (issues["label"] == table["y"].iloc[issues["row"]].to_numpy()).all()
    flagged = np.zeros(len(table), dtype=bool)
    flagged[issues["row"]] = True
    assert (flagged & wrong).sum() > 0.75 * wrong.sum()
    assert (flagged & wrong).sum() > 0.75 * flagged.sum()
    right = load_digits().target[issues["row"]] == issues["suggested"]
    assert right.mean() > 0.7
    weight = pd.read_parquet(run_dir / "splits.parquet")["weight"].to_numpy()
    train = (table["split"] == "train").to_numpy()
    assert weight[train].mean() == pytest.approx(1, abs=1e-4)
    (full,) = np.unique(weight[train & ~flagged])
    (less,) = np.unique(weight[flagged])
    assert less / full == pytest.approx(0.1, rel=1e-4)
    assert (weight[~train] == 1).all()


def found_in(run_dir: Path, strategy: Strategy) -> tuple[Plan, TableData]:
    """The plan that a run in this directory gets."""
    data = SklearnData("wine", target="target")
    run_dir.mkdir(exist_ok=True)
    return weigh.plan_for(strategy, data, partial(MLP, hidden=(8,)), run_dir), data


def test_a_resumed_run_takes_the_estimate_that_it_made(here):
    plan, data = found_in(here / "run", QualityAUM(epochs=2))
    weigh.keep(plan, data, here / "run")
    again, _ = found_in(here / "run", QualityAUM(epochs=2))
    assert again.issues.score.tobytes() == plan.issues.score.tobytes()
    assert again.weight.tobytes() == plan.weight.tobytes()
    assert (again.issues.suggested == plan.issues.suggested).all()


@pytest.mark.parametrize(
    "other", [QualityConfident(epochs=2, folds=2), QualityAUM(epochs=3)], ids=["kind", "epochs"]
)
def test_the_estimate_of_other_settings_is_made_anew(here, other):
    plan, data = found_in(here / "run", QualityAUM(epochs=2))
    weigh.keep(plan, data, here / "run")
    plan, _ = found_in(here / "run", other)
    fresh, _ = found_in(here / "fresh", other)
    assert plan.issues.score.tobytes() == fresh.issues.score.tobytes()


def test_networks_that_look_for_errors_leave_the_random_numbers_of_the_run_alone(here):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    found_in(here / "run", QualityConfident(epochs=1, folds=2))
    assert torch.equal(torch.rand(3), expected)
