"""Several workers on one study: processes that live as long as there are trials."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from bigmodel.config import compose as composing
from bigmodel.config.trust import trusting
from bigmodel.errors import BigmodelError, Interrupted
from bigmodel.search.plan import SearchPlan
from bigmodel.search.show import Progress

LOOK = 0.2  # seconds between two looks at the workers
MOST_DEATHS = 20  # of workers, after which something else is wrong
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def until_complete(plan: SearchPlan, made: Any) -> None:
    """Work in this process, or have as many as were asked for work, until the study is complete."""
    from bigmodel.search.worker import work

    desk = plan.desk()
    progress = Progress(plan, desk.record, desk.total)
    try:
        if plan.search.workers == 1:
            work(plan, made, lambda: False, progress.update)
        else:
            _Crew(plan, progress).work()
    finally:
        progress.close()


class _Crew:
    """The worker processes; one that is killed is replaced."""

    def __init__(self, plan: SearchPlan, progress: Progress) -> None:
        self.plan, self.progress = plan, progress
        self.context = multiprocessing.get_context("spawn")
        self.at_work: dict[int, tuple[BaseProcess, Connection]] = {}
        self.deaths = 0

    def work(self) -> None:
        try:
            for place in range(self.plan.search.workers):
                self._start(place)
            while self.at_work:
                time.sleep(LOOK)
                self.progress.update()
                for place in list(self.at_work):
                    self._look_at(place)
        except KeyboardInterrupt as error:  # the workers have heard it, too
            for process, _ in self.at_work.values():
                process.join()
            raise Interrupted("stopped and saved; the same command goes on") from error
        finally:
            for process, _ in self.at_work.values():
                process.terminate()

    def _start(self, place: int) -> None:
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_main, args=(self.plan, theirs))
        with _share(place, self.plan.search.workers):
            process.start()
        theirs.close()
        self.at_work[place] = (process, ours)

    def _look_at(self, place: int) -> None:
        process, said = self.at_work[place]
        if process.is_alive():
            return
        process.join()
        del self.at_work[place]
        if process.exitcode == 0:
            return
        told = None
        with suppress(EOFError):  # of a worker that was killed
            told = said.recv()
        if told is not None:
            raise {Interrupted.exit_code: Interrupted}.get(told[0], BigmodelError)(*told[1])
        self.deaths += 1
        if (process.exitcode or 0) > 0 or self.deaths >= MOST_DEATHS:
            raise BigmodelError(f"a worker ended with {process.exitcode}; the same command goes on")
        print(f"a worker was killed ({process.exitcode}); another one goes on", file=sys.stderr)
        self._start(place)


def _main(plan: SearchPlan, said: Connection) -> None:
    """What a worker process does."""
    import optuna

    from bigmodel.search.worker import work

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parent = multiprocessing.parent_process()
    assert parent is not None
    code = 0
    try:
        with composing.hydra(plan.directory) as made, trusting(plan.trust):
            work(plan, made, lambda: not parent.is_alive(), lambda: None)
    except BigmodelError as error:
        said.send((error.exit_code, error.lines))
        code = error.exit_code
    except KeyboardInterrupt:
        said.send((Interrupted.exit_code, ("stopped; the same command goes on",)))
        code = Interrupted.exit_code
    sys.exit(code)


@contextmanager
def _share(place: int, workers: int) -> Iterator[None]:
    """The environment of a new worker: its part of the cores, and a GPU in turn."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = str(max(1, (cores or 1) // workers))
    given = {name: share for name in THREADS if name not in os.environ}
    gpus = _gpus()
    if gpus:
        given["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _gpus() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    return [str(index) for index in range(torch.cuda.device_count())]
