"""The final model: the best trial's run in `best/`, tested once, with its bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from optuna.trial import FrozenTrial

from bigmodel import files
from bigmodel.config import compose as composing
from bigmodel.search.plan import SearchPlan
from bigmodel.search.text import quoted

BEST, WHOSE = "best", "trial.txt"
NOT_COPIED = shutil.ignore_patterns("metrics.json", "metrics*.csv", "log.txt", ".hydra", "rows-*")


def overrides(plan: SearchPlan, trial: FrozenTrial) -> list[str]:
    """The overrides that compose a trial's config."""
    return [*plan.fixed, *plan.space.overrides(trial.params), "search=none"]


def build(plan: SearchPlan, made: Any, trial: FrozenTrial) -> Path:
    """Test the best trial and write its bundle, unless that has been done; returns its directory.

    Its checkpoints stand at the end of the fit, so that nothing is trained again.
    """
    place = plan.place / BEST
    whose = place / WHOSE
    if not (whose.is_file() and whose.read_text().strip() == str(trial.number)):
        with files.atomic_directory(place) as new:
            source = plan.place / str(trial.number)
            shutil.copytree(source, new, ignore=NOT_COPIED, dirs_exist_ok=True)
            (new / WHOSE).write_text(f"{trial.number}\n", encoding="utf-8")
    if (place / "metrics.json").is_file():  # a run's last word
        return place
    given = [*overrides(plan, trial), f"hydra.run.dir={quoted(str(place))}"]
    given = composing.lenient(given, made.config_loader)
    made.run(plan.entry, _job(plan.task), given, with_log_configuration=False).return_value  # noqa: B018
    return place


def _job(task: Callable[..., Any] | None) -> Callable[[DictConfig], Any]:
    assert task is not None
    return lambda cfg: task(cfg, Path(HydraConfig.get().runtime.output_dir))
