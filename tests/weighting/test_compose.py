"""Weights multiplied, clipped and deferred, against numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import bigmodel
from bigmodel.training import weigh
from bigmodel.weighting.class_weights import Inverse
from bigmodel.weighting.compose import Compose
from bigmodel.weighting.draws import Draws
from bigmodel.weighting.plan import Plan, effective_rows
from bigmodel.weighting.quality import QualityColumn
from bigmodel.weighting.rows import Rows
from bigmodel.weighting.sampling import Sampler
from bigmodel.weighting.schedule import Deferred
from bigmodel.weighting.value import ValueColumn


def rows_with(**columns: list[float]) -> Rows:
    count = len(next(iter(columns.values())))
    target = np.arange(count) % 2
    given = {name: np.array(values) for name, values in columns.items()}
    return Rows(target, ("a", "b"), np.arange(count), given)


def test_the_product_has_a_mean_of_one():
    rows = rows_with(v=[1.0, 3.0], q=[1.0, 0.5])
    plan = Compose(sources=[ValueColumn(column="v"), QualityColumn(column="q")]).fit(rows)
    # (1/2, 3/2) times (4/3, 2/3) is (2/3, 1): mean 5/6
    assert plan.weight.tolist() == pytest.approx([0.8, 1.2])


def test_clipped_weights_have_a_mean_of_one_again():
    rows = rows_with(v=[1.0, 1.0, 1.0, 97.0])
    clipped = Compose(sources=[ValueColumn(column="v", clip=1000)], clip=(0.1, 2.0))
    # of mean 1: .04, .04, .04, 3.88; clipped: .1, .1, .1, 2; mean .575
    assert clipped.fit(rows).weight.tolist() == pytest.approx([0.1 / 0.575] * 3 + [2 / 0.575])


def test_classes_and_values_are_multiplied_clipped_and_normalised():
    target, value = np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 1.0, 5.0])
    rows = Rows(target, ("a", "b"), np.arange(4), {"v": value})
    # 2/3, 2/3, 2/3, 2 times .5, .5, .5, 2.5: mean 1.5; of mean 1: 2/9, 2/9, 2/9, 10/3;
    # clipped: .5, .5, .5, 2: mean .875
    weight = Compose(sources=[Inverse(), ValueColumn(column="v")], clip=(0.5, 2.0)).fit(rows).weight
    assert weight.tolist() == pytest.approx([4 / 7, 4 / 7, 4 / 7, 16 / 7])


def test_a_weight_of_zero_stays_zero():
    rows = rows_with(v=[0.0, 1.0, 1.0])
    weight = Compose(sources={"mine": ValueColumn(column="v")}).fit(rows).weight
    assert weight.tolist() == pytest.approx([0.0, 1.5, 1.5])


@pytest.mark.parametrize(
    ("transform", "expected"),
    [("identity", [0.4, 1.6]), ("sqrt", [2 / 3, 4 / 3]), ("log1p", [0.6021, 1.3979])],
)
def test_values_may_be_transformed(transform, expected):
    rows = rows_with(v=[4.0, 16.0])
    weight = ValueColumn(column="v", transform=transform).fit(rows).weight
    # log 5 = 1.6094 and log 17 = 2.8332: mean 2.2213... of which .7245 and 1.2755
    if transform == "log1p":
        expected = [1.6094379 / 2.2213257, 2.8332133 / 2.2213257]
    assert weight.tolist() == pytest.approx(expected)


def test_quality_has_a_floor_and_a_power():
    rows = rows_with(q=[0.1, 1.0])
    # .5^2 and 1: mean .625
    weight = QualityColumn(column="q", floor=0.5, power=2.0).fit(rows).weight
    assert weight.tolist() == pytest.approx([0.4, 1.6])


def test_effective_rows_by_hand():
    assert effective_rows(np.array([1.0, 1.0, 1.0])) == pytest.approx(3)
    assert effective_rows(np.array([3.0, 1.0])) == pytest.approx(16 / 10)


def test_few_effective_rows_are_a_warning():
    rows = rows_with(v=[1000.0] + [1.0] * 99)
    one, warning = weigh.lines(ValueColumn(column="v", clip=1e6).fit(rows), rows)
    assert "effective sample size 1 of 100 rows (1%)" in one
    assert warning.startswith("warning: less than 10% of the rows carry the training")
    even = rows_with(v=[1.0, 2.0])
    assert len(weigh.lines(ValueColumn(column="v").fit(even), even)) == 1


def test_deferred_weights_are_one_until_they_begin():
    rows = Rows(np.array([0, 0, 0, 1]), ("a", "b"), np.arange(4))
    draws = Draws(Deferred(of=Inverse(), start=0.7).fit(rows), epochs=10)
    assert draws.weight(6).tolist() == [1, 1, 1, 1]
    assert draws.weight(7).tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])


def test_quality_counts_from_the_first_epoch_when_classes_are_deferred():
    target, quality = np.array([0, 0, 0, 1]), np.array([0.25, 0.125, 0.625, 1.0])
    rows = Rows(target, ("a", "b"), np.arange(4), {"q": quality})
    compose = Compose(sources=[Deferred(of=Inverse(), start=0.5), QualityColumn(column="q")])
    draws = Draws(compose.fit(rows), epochs=4)
    for epoch in (0, 1):
        assert draws.weight(epoch).tolist() == pytest.approx([0.5, 0.25, 1.25, 2.0])
    # times 2/3, 2/3, 2/3, 2: 1/3, 1/6, 5/6, 4, of mean 4/3
    for epoch in (2, 3):
        assert draws.weight(epoch).tolist() == pytest.approx([0.25, 0.125, 0.625, 3.0])


def test_a_deferred_sampler_draws_every_row_once_until_it_begins():
    rows = Rows(np.array([0, 0, 0, 1]), ("a", "b"), np.arange(4))
    draws = Draws(Deferred(of=Sampler(), start=0.5).fit(rows), epochs=4)
    assert draws.order(1, None) is None
    assert len(draws.order(2, torch.Generator().manual_seed(0))) == 4


@pytest.mark.parametrize(("start", "epochs"), [(0.7, 3), (0.95, 10)])
def test_what_is_deferred_has_an_epoch_at_least(start, epochs):
    rows = Rows(np.array([0, 0, 0, 1]), ("a", "b"), np.arange(4))
    draws = Draws(Deferred(of=Inverse(), start=start).fit(rows), epochs=epochs)
    assert draws.weight(epochs - 1).tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])


@pytest.fixture(scope="module")
def standing_still(tmp_path_factory) -> dict[str, Path]:
    """Runs on the wine, without and with deferred weights, whose metric does not improve."""
    runs = {}
    for weighting in ("none", "drw"):
        place = tmp_path_factory.mktemp(weighting) / "run"
        given = ["optimizer.lr=1e-9", "callbacks.early_stopping.patience=1", "data=wine"]
        given += ["trainer.max_epochs=20", f"weighting={weighting}", f"hydra.run.dir={place}"]
        runs[weighting] = bigmodel.fit(given).run_dir
    return runs


def test_early_stopping_waits_for_what_is_deferred(standing_still):
    epochs = {
        name: pd.read_csv(run / "metrics.csv")["epoch"].max()
        for name, run in standing_still.items()
    }
    assert epochs["none"] < 5
    assert epochs["drw"] >= 14  # .7 * 20


def test_the_best_weights_are_from_after_the_deferral(standing_still):
    best = torch.load(standing_still["drw"] / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] >= 14


def test_nothing_is_changed_by_an_empty_plan():
    draws = Draws(Plan(), epochs=3)
    assert draws.weight(0) is None
    assert draws.order(0, None) is None
    assert draws.state_dict() == {}
