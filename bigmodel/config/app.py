"""Start a checked config as a Hydra app: one job, or with `-m` a sweep of them."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bigmodel.config import compose as composing
from bigmodel.config import paths
from bigmodel.config.check import check, prefixes
from bigmodel.config.place import shown
from bigmodel.config.trust import trusting
from bigmodel.errors import BigmodelError, UserError

T = TypeVar("T")
Task = Callable[..., T]  # of the config and the run's directory


class Job(Generic[T]):
    """What Hydra calls with each composed config; a search calls `task` itself.

    Without a `task`, a search is checked and not started.
    """

    def __init__(self, entry: str, task: Task[T] | None) -> None:
        self.entry, self.task = entry, task
        self.results: list[T] = []

    def __call__(self, cfg: DictConfig) -> BigmodelError | None:
        """An error that can be told in a line is handed back: raised, Hydra would add noise."""
        assert self.task is not None
        try:
            self.results.append(self.task(cfg, Path(HydraConfig.get().runtime.output_dir)))
        except BigmodelError as error:
            return error
        return None


def call(entry: str, task: Task[T], overrides: list[str], directory: Path | None = None) -> T:
    """Check, then run one job in this process and return what `task(cfg, run_dir)` does.

    Raises `UserError` with every mistake, before anything runs.
    """
    results, error = _start(entry, task, overrides, directory, multirun=False)
    if error is not None:
        raise error
    return results[0]


def run(entry: str, task: Task[T], argv: list[str], after_sweep: Callable[[list[T]], None]) -> int:
    """A command line: overrides and the few flags below. Returns the exit code.

    `after_sweep` gets what the jobs of a sweep returned, without those that failed.
    """
    flags = _flags(entry).parse_args(argv)
    user = flags.config_dir or paths.user_conf()
    if user is not None:
        print(f"user config: {shown(user)}", file=sys.stderr)
    if flags.cfg:
        print(
            OmegaConf.to_yaml(composing.compose(entry, flags.overrides, flags.config_dir)), end=""
        )
        return 0
    results, error = _start(entry, task, flags.overrides, flags.config_dir, flags.multirun)
    if len(results) > 1:
        after_sweep(results)
    if error is not None:
        raise error
    return 0


def check_only(entry: str, argv: list[str], look: Callable[[DictConfig], None]) -> int:
    """`bigmodel check`: compose and check; 0 when all is well, else raise `UserError`.

    `look` gets the config of a single job without mistakes, to see what only the data can tell.
    """
    flags = _flags(entry).parse_args(argv)
    lines = check(entry, flags.overrides, flags.multirun, flags.config_dir)
    if lines:
        raise UserError(*lines)
    trust = prefixes([o for o in flags.overrides if composing.is_trust(o)])
    overrides = [o for o in flags.overrides if not composing.is_trust(o)]
    with composing.hydra(flags.config_dir) as made, trusting(trust):
        swept = composing.swept(made, entry, overrides, flags.multirun)
        if swept is not None and swept.search:
            given = composing.lenient(overrides, made.config_loader)
            made.multirun(entry, Job(entry, None), given, with_log_configuration=False)
    if swept is None:
        with trusting(trust):
            look(composing.compose(entry, flags.overrides, flags.config_dir))
    print("no mistakes")
    return 0


def _flags(entry: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"bigmodel {entry}",
        description="Overrides are KEY=VALUE or GROUP=OPTION; `bigmodel list` shows the groups.",
    )
    parser.add_argument(
        "overrides", nargs="*", help="KEY=VALUE or GROUP=OPTION", metavar="OVERRIDE"
    )
    parser.add_argument("--multirun", "-m", action="store_true", help="every combination of a,b")
    parser.add_argument("--config-dir", type=Path, help="one more directory of config groups")
    parser.add_argument("--cfg", action="store_true", help="show the composed config, run nothing")
    return parser


def _start(
    entry: str, task: Task[T], overrides: list[str], directory: Path | None, multirun: bool
) -> tuple[list[T], BigmodelError | None]:
    lines = check(entry, overrides, multirun, directory)
    if lines:
        raise UserError(*lines)
    trust = prefixes([o for o in overrides if composing.is_trust(o)])
    if trust:
        print(f"trusted on the command line: {', '.join(trust)}", file=sys.stderr)
    overrides = [o for o in overrides if not composing.is_trust(o)]
    job = Job(entry, task)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # the traceback of a bug of ours stays whole
    with composing.hydra(directory) as made, trusting(trust):
        given = composing.lenient(overrides, made.config_loader)
        multirun = composing.swept(made, entry, overrides, multirun) is not None
        start = made.multirun if multirun else made.run
        returned = start(entry, job, given, with_log_configuration=False)
    batches = returned if isinstance(returned, list) else [[returned]]
    errors = (one.return_value for batch in batches for one in batch if one.return_value)
    return job.results, next(errors, None)
