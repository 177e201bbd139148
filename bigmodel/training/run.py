"""The steps of a run that `train.py` strings together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback

from bigmodel import files
from bigmodel.bundle.export import to_onnx
from bigmodel.bundle.postprocess import Postprocess
from bigmodel.bundle.write import write_bundle as write
from bigmodel.data.prepare import write_splits
from bigmodel.data.quality import lines
from bigmodel.data.tables import TableData
from bigmodel.models.task import Task
from bigmodel.training import checkpoints, resume
from bigmodel.training.calibration import fit_temperature, outputs
from bigmodel.training.metrics import split_metrics
from bigmodel.training.monitor import default_monitor
from bigmodel.training.trainer import Trainer


@dataclass(frozen=True)
class Measured:
    """What testing found: the metrics by `<split>/<name>`, and the calibration."""

    metrics: dict[str, float]
    temperature: float


def settle(cfg: DictConfig, run_dir: Path) -> DictConfig:
    """Fix the run's name and place, and write its `config.yaml`."""
    cfg = cfg.copy()
    cfg.name = str(cfg.name)
    # not resolved as a whole: an interpolation may stand for a secret of this machine
    files.write_text(run_dir / "config.yaml", OmegaConf.to_yaml(cfg))
    cfg.run_dir = str(run_dir)
    resume.set_aside(run_dir / "metrics.csv")
    return cfg


def present(callbacks: Any) -> list[Callback]:
    """The callbacks of the config's mapping, less those that were set to null."""
    return [callback for callback in callbacks.values() if callback is not None]


def monitored(cfg: DictConfig, data: TableData) -> str:
    """The metric that decides: the config's, or the task's own."""
    return cfg.monitor or default_monitor(data.spec.task)


def report_data(data: TableData, trainer: Trainer) -> None:
    """Say and save what the table looks like, and which row went where."""
    if not trainer.is_global_zero:
        return
    run_dir = Path(trainer.default_root_dir)
    for line in lines(data.prepared.quality):
        print(line)
    files.write_json(run_dir / "data_quality.json", data.prepared.quality)
    write_splits(data.prepared, run_dir / "splits.parquet")


def fit(trainer: Trainer, model: Task, data: TableData) -> None:
    """Fit until the end or early stopping, then take the best weights."""
    run_dir = Path(trainer.default_root_dir)
    last = run_dir / "checkpoints" / checkpoints.LAST
    if not (last.is_file() and checkpoints.is_finished(last)):
        resume = last if last.is_file() else None
        trainer.fit(model, datamodule=data, ckpt_path=resume, weights_only=True)
    best = run_dir / "checkpoints" / checkpoints.BEST
    if best.is_file():  # without validation rows there is no best: the last weights stay
        model.load_state_dict(checkpoints.load(best)["state_dict"])


def test(model: Task, data: TableData) -> Measured:
    """Calibrate on validation, then measure validation and test: the one look at the test split."""
    spec, device = data.spec, model.device
    data.trainer = None  # all rows, not this process's share
    val_output, val_target = outputs(model.network, data.val_dataloader(), device)
    found: dict[str, float] = {}
    temperature = 1.0
    if model.classifies and len(val_target):
        temperature = fit_temperature(val_output, val_target)
        found["val/ece_uncalibrated"] = split_metrics(spec, val_output, val_target)["ece"]
    test_output, test_target = outputs(model.network, data.test_dataloader(), device)
    for split, output, target in (
        ("val", val_output, val_target),
        ("test", test_output, test_target),
    ):
        if len(target):
            values = split_metrics(spec, output / temperature, target)
            found |= {f"{split}/{name}": value for name, value in values.items()}
    return Measured(found, temperature)


def write_bundle(
    cfg: DictConfig, model: Task, data: TableData, measured: Measured, metrics: dict[str, float]
) -> None:
    """Export the network and write the bundle, checked against the trained network."""
    prepared = data.prepared
    postprocess = Postprocess(prepared.schema.target, measured.temperature)
    encoded = prepared.encoder.transform(prepared.sample)
    batch = (*(torch.from_numpy(part) for part in encoded), torch.zeros(len(prepared.sample)))
    output, _ = outputs(model.network, [batch], torch.device("cpu"))
    reference: np.ndarray = (
        postprocess.probabilities(output.numpy())
        if model.classifies
        else postprocess.values(output.numpy())
    )
    write(
        Path(cfg.run_dir) / "bundle",
        name=cfg.name,
        schema=prepared.schema,
        encoder=prepared.encoder,
        onnx=to_onnx(model.network, data.spec),
        postprocess=postprocess,
        metrics=metrics,
        config=OmegaConf.to_yaml(cfg),
        golden=prepared.sample,
        reference=reference,
        weights={name: value.cpu().numpy() for name, value in model.network.state_dict().items()},
    )


def report_metrics(cfg: DictConfig, task: str, metrics: dict[str, float]) -> None:
    """The final table on standard output, and where the bundle is."""
    from rich.console import Console
    from rich.table import Table

    names = [key.removeprefix("test/") for key in metrics if key.startswith("test/")]
    table = Table("metric", "validation", "test", title=f"{cfg.name} ({task})")
    for name in names:
        values = (metrics.get(f"{split}/{name}") for split in ("val", "test"))
        table.add_row(name, *("" if value is None else f"{value:.4g}" for value in values))
    console = Console()
    console.print(table)
    console.print(
        f"{metrics['train/rows_per_second']:,.0f} rows/s, {metrics['fit_seconds']:.1f} s in all"
    )
    console.print(f"bundle: {cfg.run_dir}/bundle", soft_wrap=True, highlight=False)
