"""The one train entrypoint: compose, fit, calibrate, test once, write the run and its bundle.

    bigmodel train data=csv data.path=table.csv data.target=label
    bigmodel train -m model=mlp,linear optimizer.lr=1e-3,1e-2

The same from Python: `bigmodel.fit(["data=csv", "data.path=table.csv"])`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bigmodel import files
from bigmodel.config import app
from bigmodel.config.instantiate import instantiate
from bigmodel.config.trust import trusted, trusting
from bigmodel.training import ranking, resume

if TYPE_CHECKING:
    from bigmodel.compression.engines import Export
    from bigmodel.data.tables import TableData
    from bigmodel.models.auto import Auto
    from bigmodel.training.trial import Trial


@dataclass
class Settings:
    """What stands at the root of `conf/train.yaml`; the config checker reads it here."""

    name: str
    seed: int
    run_dir: str
    data: Any
    model: Any
    optimizer: Any
    trainer: Any
    callbacks: Any
    logger: Any
    scheduler: Any = None
    weighting: Any = None
    augment: Any = None
    compression: Any = None
    export: Any = None
    learning: Any = None
    search: Any = None
    monitor: str | None = None


@dataclass(frozen=True)
class Result:
    """What a run left behind: its directory, its metrics, and the bundle that predicts.

    `monitor` is the metric that decided, `overrides` what the run was started with.
    """

    run_dir: Path
    metrics: dict[str, float]
    monitor: str = ""
    overrides: tuple[str, ...] = ()

    @property
    def bundle(self) -> Path:
        """The bundle's directory, for `bigmodel.load`."""
        return self.run_dir / "bundle"


def train(cfg: DictConfig, run_dir: Path, trial: Trial | None = None) -> Result:
    """Run one composed config in `run_dir`, in as many processes as its trainer wants.

    As a `trial` of a search, it ends with what validation says.
    """
    from bigmodel.training import launch, run

    cfg = run.settle(cfg, run_dir)
    count = launch.processes(cfg.trainer)
    given = (cfg, trusted(), trial)
    metrics = launch.launch(count, work, *given) if count > 1 else work(*given)
    overrides = tuple(HydraConfig.get().overrides.task)
    return Result(Path(cfg.run_dir), metrics, run.monitor_of(cfg, metrics), overrides)


def work(cfg: DictConfig, trust: tuple[str, ...], trial: Trial | None = None) -> dict[str, float]:
    """Train and test; what each process of a run does. Returns the metrics."""
    with trusting(trust):
        return _work(cfg, trial)


def _work(cfg: DictConfig, trial: Trial | None) -> dict[str, float]:
    from pytorch_lightning import seed_everything

    from bigmodel.compression import compress
    from bigmodel.models.task import Task
    from bigmodel.training import auto, dynamic, run, tables, weigh
    from bigmodel.training.measure import finish, measure

    began = time.perf_counter()
    seed_everything(cfg.seed, verbose=False)
    strategy = instantiate(cfg.weighting)
    text = instantiate(cfg.model.get("text"))
    data: TableData = instantiate(cfg.data, text=text, **weigh.needs(strategy))
    data.augment = instantiate(cfg.augment)
    data.setup("fit") if trial is None else trial.prepare(data, cfg)
    network = weigh.probe_network(instantiate(cfg.model.get("network")))
    plan = weigh.plan_for(strategy, data, network, Path(cfg.run_dir))
    model: Task | Auto = instantiate(
        cfg.model,
        spec=data.spec,
        optimizer=instantiate(cfg.optimizer),
        scheduler=instantiate(cfg.scheduler),
        monitor=run.monitored(cfg, data),
        plan=plan,
    )
    # a trial is judged by what it learns; the final model is the one that gets small
    compression = compress.settings(cfg, model, data) if trial is None else None
    learning = dynamic.settings(cfg, data, plan) if trial is None else None
    export: Export = instantiate(cfg.export)
    trainer = run.trainer_for(cfg, *(trial.callbacks() if trial is not None else []))
    if trial is None:
        run.report_data(data, plan, trainer)
    model = run.fit(trainer, model, data) if isinstance(model, Task) else auto.fit(model, cfg, data)
    if not trainer.is_global_zero:
        return {}
    finish(model, data)
    small = compress.compress(compression, cfg, model, data)
    served = export.served(small.onnx, model, data) if trial is None else None
    live = dynamic.learnt(learning, cfg, model, data)
    served = live.served if live is not None else served
    measured = measure(model, data, served, test=trial is None)
    metrics = {
        **measured.metrics,
        **small.metrics,
        **(live.figures if live is not None else {}),
        "train/rows_per_second": round(trainer.throughput.rows_per_second(), 1),
        "fit_seconds": round(time.perf_counter() - began, 3),
        **(trial.measure(model, data) if trial is not None else {}),
    }
    if served is not None:
        run.write_bundle(cfg, model, data, measured, metrics, served)
    files.write_json(Path(cfg.run_dir) / "metrics.json", metrics)
    if trial is None:
        title = f"{cfg.name} ({data.spec.task})"
        tables.show(title, metrics, plan, weigh.rows_of(data.prepared), cfg.run_dir)
    small.insist()
    return metrics


def fit(overrides: list[str] | None = None) -> Result:
    """Train from Python with the overrides of the command line; see the module's docstring.

    Raises `bigmodel.errors.UserError`, whose lines name every mistake of the config at once.
    """
    return app.call("train", train, resume.overrides(list(overrides or [])))


def main(argv: list[str]) -> int:
    """`bigmodel train`; returns the exit code."""
    return app.run("train", train, resume.overrides(argv), ranking.report)


def check(argv: list[str]) -> int:
    """`bigmodel check`: the config, and whether the data allow its weighting."""
    return app.check_only("train", argv, _look)


def _look(cfg: DictConfig) -> None:
    strategy = instantiate(cfg.weighting)
    text = instantiate(cfg.model.get("text"))
    if strategy is not None:
        from bigmodel.training import weigh

        data: TableData = instantiate(cfg.data, text=text, **weigh.needs(strategy))
        strategy.check(weigh.rows_of(data.prepared, strategy.evaluate_weighted))


if __name__ == "__main__":
    import sys

    from bigmodel.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
