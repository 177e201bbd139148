"""The jobs of a sweep, before the first one starts."""

from math import prod

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override

from bigmodel.config.compose import parse

MAX_JOBS = 64  # checked one by one, a fifth of a second each; above that, each value once


def jobs(overrides: list[str]) -> list[list[str]]:
    """The overrides of each job of a sweep; of large sweeps, enough jobs to see each value once."""
    parsed = parse(overrides)
    if prod(len(_choices(o)) for o in parsed) <= MAX_JOBS:
        batches = BasicSweeper.split_arguments(parsed, max_batch_size=None)
        return [list(job) for batch in batches for job in batch]
    first = [_choices(o)[0] for o in parsed]
    each = [
        [*first[:at], choice, *first[at + 1 :]]
        for at, override in enumerate(parsed)
        for choice in _choices(override)
    ]
    return [list(job) for job in dict.fromkeys(tuple(job) for job in each)]


def _choices(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.input_line or ""]
    key = override.get_key_element()
    return [f"{key}={value}" for value in override.sweep_string_iterator()]
