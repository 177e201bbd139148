"""The steps of a run that `train.py` strings together."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from pytorch_lightning import Callback

from bigmodel import files
from bigmodel.bundle.write import write_bundle as write
from bigmodel.config.instantiate import instantiate
from bigmodel.data.batch import Batch
from bigmodel.data.quality import lines
from bigmodel.data.splits import TRAIN
from bigmodel.data.tables import TableData
from bigmodel.models.task import Task
from bigmodel.training import checkpoints, resume, weigh
from bigmodel.training.calibration import outputs
from bigmodel.training.measure import Measured
from bigmodel.training.monitor import default_monitor
from bigmodel.training.served import Served
from bigmodel.training.trainer import Trainer
from bigmodel.weighting.draws import Draws
from bigmodel.weighting.plan import Plan


def settle(cfg: DictConfig, run_dir: Path) -> DictConfig:
    """Fix the run's name and place, and write its `config.yaml`, as of one run and no search."""
    cfg = cfg.copy()
    with open_dict(cfg):
        cfg.pop("search", None)
    cfg.name = str(cfg.name)
    if os.environ.get("RANK", "0") == "0":  # of several that a launcher started, one writes
        files.clean_leftovers(run_dir)
        # not resolved as a whole: an interpolation may stand for a secret of this machine
        files.write_text(run_dir / "config.yaml", OmegaConf.to_yaml(cfg))
        resume.set_aside(run_dir / "metrics.csv")
    cfg.run_dir = str(run_dir)
    return cfg


def present(callbacks: Any) -> list[Callback]:
    """The callbacks of the config's mapping, less those that were set to null."""
    return [callback for callback in callbacks.values() if callback is not None]


def monitored(cfg: DictConfig, data: TableData) -> str:
    """The metric that decides: the config's, or the task's own."""
    return cfg.monitor or default_monitor(data.spec.task)


def monitor_of(cfg: DictConfig, metrics: dict[str, float]) -> str:
    """The same after a run, when only its metrics are left to see the task from."""
    return cfg.monitor or default_monitor("regression" if "val/rmse" in metrics else "multiclass")


def trainer_for(cfg: DictConfig, *others: Callback) -> Trainer:
    """The config's trainer, which works in `cfg.run_dir`, with its callbacks and `others`."""
    trainer: Trainer = instantiate(
        cfg.trainer,
        run_dir=Path(cfg.run_dir),
        seed=cfg.seed,
        callbacks=[*present(instantiate(cfg.callbacks)), *others],
        logger=instantiate(cfg.logger) or False,
    )
    return trainer


def report_data(data: TableData, plan: Plan, trainer: Trainer) -> None:
    """Say and save what the table looks like, which row went where, and what it weighs."""
    if not trainer.is_global_zero:
        return
    run_dir = Path(trainer.default_root_dir)
    for line in lines(data.prepared.quality) + weigh.lines(plan, weigh.rows_of(data.prepared)):
        print(line)
    files.write_json(run_dir / "data_quality.json", data.prepared.quality)
    weigh.keep(plan, data, run_dir)


def fit(trainer: Trainer, model: Task, data: TableData) -> Task:
    """Fit until the end or early stopping, then take the best weights; returns the model."""
    if not model.trains:
        return model
    run_dir = Path(trainer.default_root_dir)
    data.draws = Draws(model.plan, trainer.max_epochs or 1)
    if data.augment is not None:
        rows = torch.from_numpy(data.prepared.rows(TRAIN))
        data.augment.bind(data.tensors(), rows, data.settings.seed)
    last = run_dir / "checkpoints" / checkpoints.LAST
    there = last if last.is_file() else None
    if there is None or not checkpoints.is_finished(there, model):
        trainer.fit(model, datamodule=data, ckpt_path=there, weights_only=True)
    best = run_dir / "checkpoints" / checkpoints.BEST
    if best.is_file():  # without validation rows there is no best: the last weights stay
        model.load_state_dict(checkpoints.load(best)["state_dict"])
    return model


def write_bundle(
    cfg: DictConfig,
    model: Task,
    data: TableData,
    measured: Measured,
    metrics: dict[str, float],
    served: Served,
) -> None:
    """Write the bundle, checked against the trained network.

    A compressed one is checked against itself, and comes without the weights to train on: those
    would be larger than all else.
    """
    prepared = data.prepared
    postprocess = measured.postprocess
    encoded = prepared.encoder.transform(prepared.sample)
    if served.compressed:
        output, weights = served.answer(encoded), None
    else:
        inputs = {name: torch.from_numpy(array) for name, array in encoded.named().items()}
        batch = Batch(inputs, torch.zeros(len(prepared.sample)))
        output = outputs(model.network, [batch], torch.device("cpu"))[0].numpy()
        weights = {name: value.cpu().numpy() for name, value in model.network.state_dict().items()}
    reference: np.ndarray = (
        postprocess.probabilities(output) if model.classifies else postprocess.values(output)
    )
    write(
        Path(cfg.run_dir) / "bundle",
        name=cfg.name,
        schema=prepared.schema,
        encoder=prepared.encoder,
        onnx=served.onnx,
        postprocess=postprocess,
        metrics=metrics,
        config=OmegaConf.to_yaml(cfg),
        golden=prepared.sample,
        reference=reference,
        weights=weights,
        tolerance=served.tolerance,
        engine=served.engine,
        more=served.more,
        answered=measured.answered,
    )
