"""A worker: takes a trial, trains it, writes down what came of it, and takes the next one."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from bigmodel.errors import BigmodelError, Interrupted, Paused
from bigmodel.search import results
from bigmodel.search.claims import Claim
from bigmodel.search.costs import MEASURES
from bigmodel.search.owner import Owner
from bigmodel.search.plan import SearchPlan
from bigmodel.search.record import COSTS, OWNER, REASON, SECONDS, WAITS
from bigmodel.search.trials import Configs
from bigmodel.search.watch import Watch

NAP = 0.2  # seconds between two looks while other workers have the last trials
MOST = 300  # characters of a reason


def work(plan: SearchPlan, made: Any, alone: Callable[[], bool], show: Callable[[], None]) -> None:
    """Work until the study is complete, or until `alone` says that nobody waits for this worker.

    `made` is a Hydra over the config groups. `show` is called when something has changed. Raises
    `Interrupted` on Ctrl-C, after the trial was saved, and what made a trial fail when the search
    is to stop then.
    """
    worker = Worker(plan, made)
    owner = Owner(plan.place)
    try:
        while not alone() and (claim := worker.desk.claim(owner.name)) is not None:
            if isinstance(claim, Claim):
                show()
                worker.run(claim)
            else:
                time.sleep(NAP)
            show()
    finally:
        owner.leave()


@dataclass
class Worker:
    """Runs trials in this process."""

    plan: SearchPlan
    made: Any

    def __post_init__(self) -> None:
        self.desk = self.plan.desk()
        self.configs = Configs(self.made, self.plan.entry, self.plan.fixed)

    def run(self, claim: Claim) -> None:
        """One trial, to its end, to a rung, or to the error that ends it."""
        began, record, number = time.perf_counter(), self.desk.record, claim.number
        before: float = record.trial(number).user_attrs.get(SECONDS, 0.0)

        def seconds() -> float:
            return round(before + time.perf_counter() - began, 3)

        try:
            with _said(self.plan.place / str(number)):
                metrics = self._train(claim)
        except Paused as pause:
            record.note(number, {SECONDS: seconds(), WAITS: int(str(pause))})
        except (Interrupted, KeyboardInterrupt) as error:
            record.note(number, {SECONDS: seconds(), OWNER: None})
            raise Interrupted("stopped and saved; the same command goes on") from error
        except Exception as error:  # noqa: BLE001 (whatever it was, the next trial may do better)
            self._failed(number, error, seconds())
        else:
            self._done(number, metrics, seconds())
        results.write(self.plan, record)

    def _train(self, claim: Claim) -> dict[str, float]:
        """The metrics of the whole trial; raises `Paused` at a rung."""
        plan = self.plan
        directory = plan.place / str(claim.number)
        measures = [name for name in plan.objectives if name in MEASURES]
        if not plan.by_rows:
            watch = Watch(self.desk, claim.number, measures, steps=plan.steps)
            return self._fit(claim, directory, watch)
        known = self.desk.record.trial(claim.number).intermediate_values
        for percent in plan.steps:
            if percent not in known:
                self._rung(claim, directory / f"rows-{percent}", percent, measures)
        metrics = self._fit(claim, directory, Watch(self.desk, claim.number, measures))
        self.desk.record.report(claim.number, plan.whole, metrics[plan.monitor])
        return metrics

    def _rung(self, claim: Claim, directory: Path, percent: int, measures: list[str]) -> None:
        """Train on a part of the rows, from the start; wait there unless it did well."""
        watch = Watch(self.desk, claim.number, measures, percent=percent)
        metrics = self._fit(claim, directory, watch)
        if measures:
            self.desk.record.note(claim.number, {COSTS: [metrics[name] for name in measures]})
        self.desk.record.report(claim.number, percent, metrics[self.plan.monitor])
        shutil.rmtree(directory, ignore_errors=True)
        if not self.desk.may_go_on(claim.number, percent):
            raise Paused(str(percent))

    def _fit(self, claim: Claim, directory: Path, watch: Watch) -> dict[str, float]:
        assert self.plan.task is not None
        cfg = self.configs.of(self.plan.space.overrides(claim.params), directory)
        metrics: dict[str, float] = self.plan.task(cfg, directory, watch).metrics
        return metrics

    def _done(self, number: int, metrics: dict[str, float], seconds: float) -> None:
        values = [metrics.get(name, math.nan) for name in self.plan.objectives]
        for name, value in zip(self.plan.objectives, values, strict=True):
            if not math.isfinite(value):
                error = BigmodelError(f"{name} is {value}")
                self._failed(number, error, seconds)
                return
        step = self.desk.record.trial(number).last_step or 0
        reason = "early stopping" if 0 < step < self.plan.whole else "the end"
        notes = {SECONDS: seconds, REASON: reason}
        self.desk.record.finish(number, TrialState.COMPLETE, notes, values)

    def _failed(self, number: int, error: Exception, seconds: float) -> None:
        told = isinstance(error, BigmodelError)
        text = (
            error.lines[0]
            if isinstance(error, BigmodelError)
            else f"{type(error).__name__}: {error}"
        )
        log = self.plan.place / str(number) / "log.txt"
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n" if told else "".join(traceback.format_exception(error)))
        notes = {SECONDS: seconds, REASON: " ".join(text.split())[:MOST]}
        self.desk.record.finish(number, TrialState.FAIL, notes)
        if self.plan.search.on_error == "stop":
            results.write(self.plan, self.desk.record)
            raise BigmodelError(f"trial {number} failed: {notes[REASON]}; see {log}") from error


@contextlib.contextmanager
def _said(directory: Path) -> Iterator[None]:
    """What a trial prints goes to its `log.txt`."""
    directory.mkdir(parents=True, exist_ok=True)
    with (
        (directory / "log.txt").open("a", encoding="utf-8", buffering=1) as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        yield
