"""A search of another tool with our training function: `peer_search.py TOOL SETTINGS SECONDS SEED`.

Prints a line of JSON for each trial that has ended: seconds since the start, and its value. Run by
search_wall.py; `ray` needs an environment with Ray Tune, whose workers find our packages through
PYTHONPATH.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BEGAN = time.time()
EPOCHS, FIRST, REDUCTION = 27, 3, 3
METRIC = "val/macro_f1"


def told(value: float) -> None:
    line = json.dumps({"seconds": round(time.time() - BEGAN, 2), "value": value})
    print(line, file=sys.__stdout__, flush=True)  # others may be talking on sys.stdout


def fit(settings: list[str], directory: Path, report: Any) -> float:
    """Train one config; `report(epoch, value)` may raise to stop. The best epoch's metric."""
    from pytorch_lightning import Callback
    from search_overhead import Unwatched, quiet

    from bigmodel.config import compose as composing
    from bigmodel.train import train

    class Report(Callback):
        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            report(trainer.current_epoch + 1, float(trainer.callback_metrics[METRIC]))

    class Reported(Unwatched):
        def callbacks(self) -> list[Any]:
            return [Report()]

    with composing.hydra() as made, quiet():
        cfg = composing.compose_in(made, "train", settings)
        return float(train(cfg, directory, Reported()).metrics[METRIC])


def overrides(params: dict[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in params.items()]


def optuna_loop(settings: list[str], seconds: float, seed: int) -> None:
    """`study.optimize` as its documentation shows it, with successive halving."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: Any) -> float:
        params = {
            "optimizer.lr": trial.suggest_float("lr", 1e-4, 2e-2, log=True),
            "optimizer.weight_decay": trial.suggest_float("decay", 1e-4, 0.3, log=True),
            "model.network.dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "data.batch_size": trial.suggest_categorical("batch", [64, 128, 256, 512]),
        }

        def report(epoch: int, value: float) -> None:
            trial.report(value, epoch)
            if epoch < EPOCHS and trial.should_prune():
                raise optuna.TrialPruned

        with tempfile.TemporaryDirectory() as folder:
            value = fit([*settings, *overrides(params)], Path(folder), report)
        told(value)
        return value

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(FIRST, REDUCTION),
    )
    study.optimize(objective, timeout=seconds)


def ray_tune(settings: list[str], seconds: float, seed: int) -> None:
    """Ray Tune's ASHA with random settings, one trial at a time: one core is all that it gets."""
    import ray
    from ray import tune

    def trainable(config: dict[str, Any]) -> None:
        def report(epoch: int, value: float) -> None:
            tune.report({"value": value})  # once an epoch: Ray counts

        with tempfile.TemporaryDirectory() as folder:
            value = fit([*settings, *overrides(config)], Path(folder), report)
        tune.report({"value": value, "whole": True})

    class Tell(tune.Callback):
        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any):
            if result.get("whole"):
                told(result["value"])

    space = {
        "optimizer.lr": tune.loguniform(1e-4, 2e-2),
        "optimizer.weight_decay": tune.loguniform(1e-4, 0.3),
        "model.network.dropout": tune.uniform(0.0, 0.5),
        "data.batch_size": tune.choice([64, 128, 256, 512]),
    }
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
        tune.run(
            trainable, config=space, num_samples=-1, time_budget_s=seconds, metric="value",
            mode="max", verbose=0, callbacks=[Tell()], storage_path=folder, reuse_actors=True,
            scheduler=tune.schedulers.ASHAScheduler(
                max_t=EPOCHS + 1, grace_period=FIRST, reduction_factor=REDUCTION
            ),
        )  # fmt: skip


if __name__ == "__main__":
    tool = {"optuna": optuna_loop, "ray": ray_tune}[sys.argv[1]]
    tool(json.loads(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
