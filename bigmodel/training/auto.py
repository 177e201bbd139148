"""Fit the members of an automatic ensemble, pick the best of them, and make them one network."""

import json
import os
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Timer
from torch import Tensor, nn
from torch.nn import functional as F

from bigmodel import files
from bigmodel.data.splits import VAL
from bigmodel.data.tables import TableData
from bigmodel.errors import Interrupted, UserError
from bigmodel.models.auto import Auto
from bigmodel.models.networks.ensemble import Ensemble, comparable, mixed
from bigmodel.models.task import Task
from bigmodel.training import run
from bigmodel.training.calibration import fit_temperature, outputs

PLACE, STATE = "members", "members.json"  # in the run's directory


@dataclass
class Member:
    """A fitted model: its network, its outputs (n, n_outputs) on validation, its temperature."""

    name: str
    network: nn.Module
    output: Tensor
    temperature: float


def fit(auto: Auto, cfg: DictConfig, data: TableData) -> Task:
    """The ensemble as a task that needs no training. Raises UserError when nothing can be fitted.

    A resumed run goes on with the member that was stopped; what the others took is remembered.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("model=auto fits its members in one process; set trainer.devices=1")
    place = Path(cfg.run_dir) / PLACE
    place.mkdir(exist_ok=True)
    state = place / STATE
    seconds: dict[str, float] = json.loads(state.read_text()) if state.is_file() else {}
    fitted: list[Member] = []
    task = None
    for index, (name, found) in enumerate(auto.tasks()):
        if isinstance(found, UserError):
            print(f"auto: {name} is left out: {found}")
            continue
        began = time.monotonic()
        left = auto.budget_seconds - sum(seconds[n] for n in seconds if n != name)
        if left <= 0 and name not in seconds and fitted:
            print(f"auto: {name} is left out: the budget of {auto.budget_seconds:g} s is used up")
            continue
        task = _fitted(found, cfg, data, place / name, max(left, 1.0) / (len(auto) - index))
        output, target = outputs(task.network, data.in_order(VAL), task.device)
        temperature = fit_temperature(output, target) if task.classifies else 1.0
        fitted.append(Member(name, task.network.cpu(), output, temperature))
        if name not in seconds:
            seconds[name] = round(time.monotonic() - began, 3)
            files.write_json(state, seconds)
    if task is None:
        raise UserError("model=auto: no member can be fitted; see the lines above")
    return _together(auto, task, fitted, target)


def _fitted(task: Task, cfg: DictConfig, data: TableData, place: Path, seconds: float) -> Task:
    """One member, fitted in a directory of its own, for at most so many seconds."""
    own = cfg.copy()
    own.run_dir = str(place)
    timer = Timer(timedelta(seconds=seconds), interval="step", verbose=False)
    try:
        run.fit(run.trainer_for(own, timer), task, data)
    except Interrupted as error:
        raise Interrupted(
            f"stopped and saved; go on with: bigmodel train trainer.resume={cfg.run_dir}"
        ) from error
    return task


def _together(auto: Auto, like: Task, fitted: list[Member], target: Tensor) -> Task:
    """The members that were picked, as one task; says how much each counts."""
    if len(target):
        scaled = torch.stack([member.output / member.temperature for member in fitted], 1)
        each = comparable(scaled, like.classifies)
        counts = greedy(each, target, auto.picks, like.classifies)
    else:
        counts = np.ones(len(fitted), dtype=np.int64)  # nothing to choose by
    weights = (counts / counts.sum()).tolist()
    said = [f"{m.name} {w:.0%}" for m, w in zip(fitted, weights, strict=True)]
    print(f"auto: {', '.join(said)}")
    kept = [index for index, count in enumerate(counts) if count]
    network = Ensemble(
        [fitted[index].network for index in kept],
        [weights[index] for index in kept],
        [fitted[index].temperature for index in kept],
        like.spec.task,
    )
    plan = replace(like.plan, loss=None, head=None, sampler=None, early=None)
    return Task(
        lambda: network,
        spec=like.spec,
        optimizer=like.make_optimizer,
        monitor=like.monitor,
        plan=plan,
    )


def greedy(each: Tensor, target: Tensor, picks: int, classifies: bool) -> NDArray[np.int64]:
    """How often each of m members is picked, (m,): always the one that helps most.

    `each` (n, m, n_outputs) are the members' `comparable` answers to validation rows.
    """
    members = each.shape[1]
    counts = torch.zeros(members)
    for _ in range(picks):
        losses = []
        for member in range(members):
            tried = counts.clone()
            tried[member] += 1
            answer = mixed(each, tried / tried.sum(), classifies)
            losses.append(_loss(answer, target, classifies))
        counts[int(np.argmin(losses))] += 1
    return counts.numpy().astype(np.int64)


def _loss(answer: Tensor, target: Tensor, classifies: bool) -> float:
    if classifies:
        return float(F.nll_loss(answer, target))
    return float(F.mse_loss(answer[:, 0], target))
