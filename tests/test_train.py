"""What a run leaves behind, as its user finds it."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

import bigmodel
from bigmodel.training import checkpoints


def test_a_run_leaves_what_the_design_says(digits_run):
    names = {path.name for path in digits_run.run_dir.iterdir()}
    assert names >= {
        "config.yaml",
        "metrics.json",
        "metrics.csv",
        "splits.parquet",
        "data_quality.json",
        "checkpoints",
        "bundle",
    }
    assert {p.name for p in (digits_run.run_dir / "checkpoints").iterdir()} == {
        "last.ckpt",
        "best.ckpt",
    }
    assert json.loads((digits_run.run_dir / "metrics.json").read_text()) == digits_run.metrics


def test_metrics_have_the_names_of_the_contract(digits_run):
    for split in ("val", "test"):
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "ece"):
            assert f"{split}/{name}" in digits_run.metrics
        assert {f"{split}/f1/{digit}" for digit in range(10)} <= digits_run.metrics.keys()
    assert digits_run.metrics["train/rows_per_second"] > 0
    assert digits_run.metrics["fit_seconds"] > 0


def test_it_has_learnt_the_digits(digits_run):
    assert digits_run.metrics["test/accuracy"] > 0.9


def test_splits_are_two_to_one_to_one_and_stratified(digits_run):
    splits = pd.read_parquet(digits_run.run_dir / "splits.parquet")
    target = load_digits().target[splits["row"]]
    shares = pd.crosstab(target, splits["split"], normalize="index")
    np.testing.assert_allclose(
        shares[["train", "val", "test"]], [[0.5, 0.25, 0.25]] * 10, atol=0.01
    )
    assert splits["row"].is_unique
    assert len(splits) == 1797


def test_the_test_metric_is_that_of_the_bundle_on_the_test_rows(digits_run):
    splits = pd.read_parquet(digits_run.run_dir / "splits.parquet")
    rows = splits.loc[splits["split"] == "test", "row"]
    X, y = load_digits(return_X_y=True, as_frame=True)
    answers = bigmodel.load(digits_run.bundle).predict(X.loc[rows])
    accuracy = (answers["prediction"].to_numpy() == y.loc[rows].to_numpy()).mean()
    assert accuracy == pytest.approx(digits_run.metrics["test/accuracy"], abs=1e-6)


def test_calibration_makes_the_log_loss_no_worse(digits_run):
    assert digits_run.metrics["val/ece"] <= digits_run.metrics["val/ece_uncalibrated"] + 0.02


def test_the_best_checkpoint_holds_tensors_and_plain_values_only(digits_run):
    path = digits_run.run_dir / "checkpoints" / "best.ckpt"
    assert "state_dict" in torch.load(path, weights_only=True)


def test_regression_reports_in_the_units_of_the_target(here):
    result = bigmodel.fit(
        ["data=diabetes", "trainer.max_epochs=30", "model=linear", "optimizer.lr=0.03"]
    )
    spread = load_diabetes().target.std()
    assert 0.6 * spread < result.metrics["test/rmse"] < spread
    assert set(result.metrics) >= {"test/rmse", "test/mae", "test/r2", "val/rmse"}


def test_the_long_tail_thins_the_training_split_only(here):
    settings = ["data.long_tail.imbalance_factor=20", "trainer.max_epochs=1", "model=linear"]
    result = bigmodel.fit(settings)
    splits = pd.read_parquet(result.run_dir / "splits.parquet")
    counts = pd.crosstab(load_digits().target[splits["row"]], splits["split"])
    assert counts["train"].max() / counts["train"].min() >= 15
    assert counts["test"].max() - counts["test"].min() <= 4


@pytest.mark.parametrize("option", ["cosine", "step", "one_cycle", "plateau"])
def test_every_scheduler_trains(here, option):
    result = bigmodel.fit(["data=wine", f"scheduler={option}", "trainer.max_epochs=3"])
    assert result.metrics["test/log_loss"] > 0


@pytest.mark.parametrize("option", ["adam", "sgd"])
def test_every_optimizer_trains(here, option):
    result = bigmodel.fit(["data=wine", f"optimizer={option}", "trainer.max_epochs=3"])
    assert result.metrics["test/log_loss"] > 0


@pytest.mark.parametrize("option", ["fast", "overfit", "profile"])
def test_every_debug_preset_runs(here, option):
    result = bigmodel.fit(["data=wine", f"debug={option}"])
    assert result.bundle.is_dir()
    if option == "profile":
        assert "run_training_epoch" in (result.run_dir / "fit-profile.txt").read_text()


@pytest.mark.parametrize("option", ["tensorboard", "mlflow", "wandb"])
def test_every_logger_writes_into_the_run(here, option, monkeypatch):
    pytest.importorskip(option)
    monkeypatch.setenv("WANDB_SILENT", "true")
    extra = ["logger.offline=true"] if option == "wandb" else []
    result = bigmodel.fit(["data=wine", f"logger={option}", "trainer.max_epochs=2", *extra])
    assert any(
        option[:5] in str(path) or "mlruns" in str(path) for path in result.run_dir.rglob("*")
    )


def test_mixed_precision_trains(here):
    result = bigmodel.fit(
        ["data=breast_cancer", "trainer.precision=bf16-mixed", "trainer.max_epochs=8"]
    )
    assert result.metrics["test/auroc"] > 0.9


def test_early_stopping_ends_a_fit_that_stands_still(here):
    stop = ["optimizer.lr=1e-9", "callbacks.early_stopping.patience=2", "trainer.max_epochs=50"]
    result = bigmodel.fit(["data=wine", *stop])
    epochs = pd.read_csv(result.run_dir / "metrics.csv")["epoch"].max()
    assert epochs < 20


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(here):
    """In processes of their own: gloo, one share of each batch per process."""
    settings = ["data=breast_cancer", "trainer.max_epochs=3", "trainer.accelerator=cpu"]
    command = [sys.executable, "-m", "bigmodel.train", *settings, "trainer=ddp"]
    done = subprocess.run(
        [*command, f"hydra.run.dir={here / 'two'}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads((here / "two" / "metrics.json").read_text())
    assert metrics["test/auroc"] > 0.95
    frame = load_breast_cancer(as_frame=True).data
    assert len(bigmodel.load(here / "two" / "bundle").predict(frame)) == len(frame)


@pytest.mark.slow
def test_what_goes_wrong_in_one_of_two_processes_is_one_line(here):
    broken = [
        "data=diabetes",
        "data.batch_size=16",
        "optimizer=sgd",
        "optimizer.lr=1e30",
        "model=linear",
    ]
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.gradient_clip_val=null"]
    command = [sys.executable, "-m", "bigmodel.train", *broken, *two]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the loss became" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_weights(here):
    command = [
        sys.executable,
        "-m",
        "bigmodel.train",
        "data=diabetes",
        "data.batch_size=16",
        "optimizer=sgd",
        "optimizer.lr=1e30",
        "model=linear",
        f"hydra.run.dir={here / 'run'}",
    ]
    done = subprocess.run(
        [*command, "trainer.gradient_clip_val=null"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "the loss became" in done.stderr
    assert "Traceback" not in done.stderr
    for path in (here / "run" / "checkpoints").glob("*.ckpt"):
        for tensor in checkpoints.load(path)["state_dict"].values():
            assert torch.isfinite(tensor.float()).all()
