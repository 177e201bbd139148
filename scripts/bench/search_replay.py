"""Searches replayed on tables of real learning curves: epochs until a trial reaches the target.

The product's own desk, samplers and rungs decide; only the training is looked up. The target is
the top 1 % of the table. A search costs the epochs that it trains, those of stopped trials, too.

A trial gets the config of the table that is nearest to its settings and that its search has not
had: in a real space two trials are never quite the same, and each is a new draw of the noise. With
the plain nearest one, a search that closes in gets one and the same curve a hundred times.
"""

import contextlib
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from search_curves import BATCHES, DECAYS, DEPTHS, DROPOUTS, EPOCHS, RATES, WIDTHS, Table

from bigmodel.search.claims import Claim, Desk
from bigmodel.search.record import WAITS, Record
from bigmodel.search.rungs import Rungs
from bigmodel.search.samplers import TPE, Grid, Random, Sampler
from bigmodel.search.space import Parameter, Params, Space

MOST = 120 * EPOCHS  # epochs after which a search is given up: the ratios are then too small
SPACE = Space(
    (
        Parameter("width", "width", low=min(WIDTHS), high=max(WIDTHS), whole=True, log=True),
        Parameter("depth", "depth", low=min(DEPTHS), high=max(DEPTHS), whole=True),
        Parameter("batch_size", "batch_size", choices=BATCHES),
        Parameter("lr", "lr", low=min(RATES), high=max(RATES), log=True),
        Parameter("weight_decay", "weight_decay", low=min(DECAYS), high=max(DECAYS), log=True),
        Parameter("dropout", "dropout", low=min(DROPOUTS), high=max(DROPOUTS)),
    )
)
# what conf/model/mlp.yaml and conf/optimizer/adamw.yaml say, as far as the table has it
START: Params = {"width": 96, "depth": 2, "batch_size": 128, "lr": 1e-3, "weight_decay": 0.01,
                 "dropout": 0.2}  # fmt: skip
ASHA = Rungs()  # as conf/search/asha.yaml
METHODS: dict[str, tuple[Sampler, Rungs | None, bool]] = {
    "random": (Random(), None, False),
    "grid, shuffled": (Grid(), None, False),
    "TPE": (TPE(), None, False),
    "TPE, default first": (TPE(), None, True),
    "random + ASHA": (Random(), ASHA, False),
    "TPE + ASHA": (TPE(), ASHA, False),
    "search=asha": (TPE(), ASHA, True),
}


class InMemory(Record):
    """A record of this process alone."""

    def __init__(self) -> None:
        self.place, self.modes = Path(), ("max",)
        self.storage, self.lock = optuna.storages.InMemoryStorage(), contextlib.nullcontext()
        made = optuna.create_study(storage=self.storage, direction="maximize")
        self.name, self._id = made.study_name, made._study_id


def replay(table: Table, method: str, seed: int) -> dict[str, float]:
    """One search: the epochs to the target, and the test score of its best trial there."""
    sampler, rungs, start = METHODS[method]
    record, target = InMemory(), float(np.quantile(table.val.max(1), 0.99))
    first = sampler.first(SPACE, START, seed) if start or sampler.ends else []
    desk = Desk(record, SPACE, sampler, first, 10**6, seed, rungs, 1, "epochs")
    steps, spent = rungs.steps(EPOCHS) if rungs else [], 0
    best, configs = (0.0, 0.0), dict[int, int]()
    while spent < MOST and best[0] < target:
        claim = desk.claim("me")
        if not isinstance(claim, Claim):
            break
        if claim.number not in configs:
            configs[claim.number] = table.index(claim.params, configs.values())
        config = configs[claim.number]
        epochs, done = _train(desk, claim.number, table.val[config], steps)
        spent += epochs
        if done:
            at = int(table.val[config].argmax())
            best = max(best, (float(table.val[config, at]), float(table.test[config, at])))
    reached = best[0] >= target and spent <= MOST
    return {"epochs": min(spent, MOST), "reached": reached, "val": best[0], "test": best[1]}


def _train(desk: Desk, number: int, curve: np.ndarray, steps: list[int]) -> tuple[int, bool]:
    """Train a trial to a rung or its end; the epochs that it took, and whether it is complete."""
    begun = desk.record.trial(number).last_step or 0
    for step in range(begun + 1, EPOCHS + 1):
        desk.record.report(number, step, float(curve[step - 1]))
        if step in steps and not desk.may_go_on(number, step):
            desk.record.note(number, {WAITS: step})
            return step - begun, False
    desk.record.finish(number, TrialState.COMPLETE, {}, [float(curve.max())])
    return EPOCHS - begun, True


def rows(table: Table, seeds: int) -> list[dict[str, Any]]:
    """A line a method, with the ratio to random and its 95 % interval (bootstrap over seeds)."""
    found = {name: [replay(table, name, seed) for seed in range(seeds)] for name in METHODS}
    random = np.array([one["epochs"] for one in found["random"]])
    lines = []
    for name, every in found.items():
        epochs = np.array([one["epochs"] for one in every])
        low, high = interval(random, epochs)
        lines.append(
            {
                "table": table.name, "method": name, "seeds": seeds,
                "reached": f"{np.mean([one['reached'] for one in every]):.0%}",
                "mean epochs": round(float(epochs.mean())),
                "random by this": round(float(random.mean() / epochs.mean()), 2),
                "low": round(low, 2), "high": round(high, 2),
                "val": round(statistics.mean(one["val"] for one in every), 4),
                "test": round(statistics.mean(one["test"] for one in every), 4),
            }
        )  # fmt: skip
    return lines


def interval(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(one), (2, 2000, len(one)))
    ratios = one[draws[0]].mean(1) / other[draws[1]].mean(1)
    return float(np.quantile(ratios, 0.025)), float(np.quantile(ratios, 0.975))
