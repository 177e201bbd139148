"""Every model of the group on a small table: it learns, resumes exactly, and its bundle agrees."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

import bigmodel
from bigmodel.errors import UserError
from bigmodel.models.task import Task
from bigmodel.train import Result

TABLES = ["linear", "mlp", "mlp_plr", "mlp_ple", "tabm", "ft_transformer", "gbdt", "gbdt_leaves"]
SMALL = {  # as small as shows what is asked
    "tabm": ["model.network.members=4", "model.network.width=32"],
    "ft_transformer": ["model.network.width=16", "model.network.heads=2"],
    "gbdt_leaves": ["model.network.trees.rounds=20"],
    "gbdt": ["model.network.rounds=20"],
    "auto": [
        "model.members.gbdt.network.rounds=20",
        "model.members.mlp_plr=null",
        "model.members.mlp_plr_sharp=null",
        "model.members.tabm.network.members=4",
        "model.members.tabm.network.width=32",
    ],
}


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Two classes that follow from a number and a category, with gaps and a constant column."""
    rng = np.random.default_rng(0)
    rows = 480
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=rows).round(3),
            "weight": rng.exponential(size=rows).round(3),
            "same": 1.5,
            "shop": rng.choice(["north", "south", "west", "east"], rows),
            "colour": rng.choice(["red", "blue"], rows),
        }
    )
    high = frame["size"] + 2.0 * frame["shop"].isin(["north", "east"]) > 1.0
    frame["y"] = np.where(high, "high", "low")
    frame["price"] = (3 * frame["size"] + 5 * high + 0.1 * rng.normal(size=rows)).round(3)
    frame.loc[::7, "weight"] = np.nan
    path = tmp_path_factory.mktemp("table") / "table.csv"
    frame.to_csv(path, index=False)
    return path


def fit(table: Path, model: str, run_dir: Path, *more: str) -> Result:
    given = [f"data.path={table}", f"model={model}", f"hydra.run.dir={run_dir}"]
    return bigmodel.fit(["data=csv", *given, "data.batch_size=32", *SMALL.get(model, []), *more])


CLASSES = ["data.target=y", "data.drop=[price]", "optimizer.lr=0.01", "trainer.max_epochs=8"]
NUMBERS = ["data.target=price", "data.drop=[y]", "optimizer.lr=0.01", "trainer.max_epochs=8"]


@pytest.mark.parametrize("model", [*TABLES, "auto"])
def test_a_model_learns_classes_and_its_bundle_predicts_raw_rows(model, table, here):
    result = fit(table, model, here / "run", *CLASSES)
    assert result.metrics["test/accuracy"] > 0.85
    frame = pd.read_csv(table).drop(columns=["y", "price"])
    answers = bigmodel.load(result.bundle).predict(frame)
    splits = pd.read_parquet(here / "run" / "splits.parquet")["split"]
    right = answers["prediction"] == pd.read_csv(table)["y"]
    assert right[splits == "test"].mean() == pytest.approx(result.metrics["test/accuracy"])
    shares = answers[["probability/high", "probability/low"]].sum(axis=1)
    assert shares.to_numpy() == pytest.approx(1.0)


@pytest.mark.parametrize("model", ["mlp_ple", "tabm", "ft_transformer", "gbdt", "auto"])
def test_a_model_learns_numbers(model, table, here):
    result = fit(table, model, here / "run", *NUMBERS)
    assert result.metrics["test/r2"] > 0.7
    answers = bigmodel.load(result.bundle).predict(pd.read_csv(table))
    assert np.isfinite(answers["prediction"]).all()


def weights(run_dir: Path) -> dict[str, bytes]:
    found = load_file(run_dir / "bundle" / "model.safetensors")
    return {name: array.tobytes() for name, array in found.items()}


@pytest.mark.parametrize("model", ["mlp_plr", "mlp_ple", "tabm", "ft_transformer", "gbdt_leaves"])
@pytest.mark.slow
def test_a_run_that_broke_off_ends_with_the_weights_of_an_undisturbed_one(
    model, table, here, monkeypatch
):
    given = [*CLASSES, "trainer.max_epochs=3", "callbacks.checkpoints.every_seconds=0"]
    fit(table, model, here / "whole", *given)
    steps, step = iter(range(1000)), Task.training_step

    def breaks_off(self: Task, *arguments: object) -> object:
        if next(steps) == 10:  # the second epoch has begun
            raise RuntimeError("the power is gone")
        return step(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Task, "training_step", breaks_off)
        with pytest.raises(RuntimeError, match="the power is gone"):
            fit(table, model, here / "broken", *given)
    bigmodel.fit([f"trainer.resume={here / 'broken'}"])
    assert weights(here / "broken") == weights(here / "whole")


def test_an_ensemble_says_what_it_is_made_of_and_is_no_worse_than_its_members(table, here, capsys):
    result = fit(table, "auto", here / "run", *CLASSES)
    said = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("auto:"))
    assert {part.split()[0] for part in said.removeprefix("auto: ").split(", ")} == {
        "gbdt", "mlp_ple", "tabm",
    }  # fmt: skip
    alone = fit(table, "gbdt", here / "gbdt", *CLASSES)
    assert result.metrics["val/log_loss"] <= alone.metrics["val/log_loss"] + 1e-3
    assert (here / "run" / "members" / "tabm" / "checkpoints" / "best.ckpt").is_file()


def test_without_time_only_the_first_member_is_fitted(table, here, capsys):
    fit(table, "auto", here / "run", *CLASSES, "model.budget_seconds=1e-3")
    said = capsys.readouterr().out
    assert "auto: tabm is left out: the budget of 0.001 s is used up" in said
    assert "auto: gbdt 100%" in said


@pytest.mark.slow
def test_a_resumed_ensemble_fits_only_what_is_left(table, here, capsys):
    fit(table, "auto", here / "run", *CLASSES)
    before = (here / "run" / "members" / "tabm" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    first = weights(here / "run")
    bigmodel.fit([f"trainer.resume={here / 'run'}"])
    after = (here / "run" / "members" / "tabm" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert (weights(here / "run"), after) == (first, before)


@pytest.mark.slow
def test_an_ensemble_refuses_several_processes_and_no_members(table, here):
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    with pytest.raises(UserError, match="fits its members in one process"):
        fit(table, "auto", here / "two", *CLASSES, *two)
    none = [f"model.members.{name}=null" for name in ("gbdt", "mlp_ple", "tabm")]
    with pytest.raises(UserError, match="none is left; give at least one model"):
        fit(table, "auto", here / "none", *CLASSES, *none)


def test_a_transformer_names_the_widths_that_it_can_have(table, here):
    with pytest.raises(UserError, match="width=31: must be a multiple of heads"):
        fit(table, "ft_transformer", here / "run", *CLASSES, "model.network.width=31")


def test_a_directory_keeps_the_run_that_it_holds(table, here):
    fit(table, "mlp", here / "run", *CLASSES, "trainer.max_epochs=1")
    kept = (here / "run" / "checkpoints" / "last.ckpt").read_bytes()
    with pytest.raises(UserError, match="the run there is one of another model"):
        fit(table, "linear", here / "run", *CLASSES)
    assert (here / "run" / "checkpoints" / "last.ckpt").read_bytes() == kept


@pytest.mark.parametrize("weighting", ["logit_adjust", "sampler", "drw"])
def test_trees_refuse_what_only_a_training_step_by_step_can_do(table, here, weighting):
    with pytest.raises(UserError, match="GBDT is not trained step by step"):
        fit(table, "gbdt", here / "run", *CLASSES, f"weighting={weighting}")


@pytest.mark.parametrize("model", ["gbdt", "gbdt_leaves"])
def test_labels_are_doubted_by_networks_that_have_not_seen_them(model, table, here, monkeypatch):
    from bigmodel.weighting.probe import Probe

    made, train = [], Probe.train

    def watched(self: Probe, *arguments: object, **settings: object) -> torch.nn.Module:
        made.append(type(self.network()).__name__)
        return train(self, *arguments, **settings)

    monkeypatch.setattr(Probe, "train", watched)
    quick = ["weighting=quality_confident", "weighting.epochs=2", "weighting.folds=2"]
    fit(table, model, here / "run", *CLASSES, *quick)
    assert made == ["MLP", "MLP"], "grown trees know the labels of every row"


def test_trees_learn_from_weights(table, here):
    tail = [*CLASSES, "data.long_tail.imbalance_factor=5"]
    plain = fit(table, "gbdt", here / "plain", *tail)
    heavy = fit(table, "gbdt", here / "heavy", *tail, "weighting=inverse")
    means = [
        bigmodel.load(run.bundle).predict(pd.read_csv(table))["probability/high"].mean()
        for run in (plain, heavy)
    ]
    assert abs(means[1] - means[0]) > 1e-3


def test_the_first_columns_of_a_part_are_those_of_the_table(table):
    from bigmodel.data.tables import CsvData
    from bigmodel.models.build import build

    seen = {}

    class Identity(torch.nn.Module):
        def forward(self, numeric: torch.Tensor) -> torch.Tensor:
            return numeric

    class Sees:
        def __new__(cls, n_outputs: int, train: object, val: object) -> object:
            seen.update(train=train(), val=val())
            return Identity()

    data = CsvData(str(table), target="y", drop=["price"])
    weight = np.arange(480.0)
    build(Sees, data.spec, weight)
    for part, name in enumerate(("train", "val")):
        rows = data.prepared.rows(part)
        np.testing.assert_array_equal(seen[name].inputs.numeric, data.prepared.inputs.numeric[rows])
        np.testing.assert_array_equal(seen[name].target, data.prepared.target[rows])
        np.testing.assert_array_equal(seen[name].weight, weight[rows])
