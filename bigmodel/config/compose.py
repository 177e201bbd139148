"""Compose one entry point's config from the groups and the overrides; nothing is run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from bigmodel.config import messages, paths, searchpath
from bigmodel.errors import UserError

ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, OSError, ValueError)


@contextmanager
def hydra(directory: Path | None = None) -> Iterator[Any]:
    """A fresh Hydra over the shipped groups, the user's, and `directory` before both.

    What was there before (a running app, a notebook's own Hydra) is put back afterwards.
    """
    searchpath.register()
    singleton = GlobalHydra.instance()
    outer = singleton.hydra
    singleton.clear()
    try:
        initialize_config_dir(str(paths.CONF), version_base="1.3", job_name="bigmodel")
        made = singleton.hydra
        assert made is not None
        if directory is not None:
            path = f"file://{directory.resolve()}"
            made.config_loader.get_search_path().prepend("command line", path)
        yield made
    finally:
        singleton.clear()
        if outer is not None:
            singleton.initialize(outer)


def parse(overrides: list[str]) -> list[Override]:
    """The overrides, parsed. Raises `UserError` with a line for each that is not one."""
    parsed, wrong = [], []
    for text in overrides:
        try:
            parsed += OverridesParser.create().parse_overrides([text])
        except HydraException:
            wrong.append(messages.bad_override(text))
    if wrong:
        raise UserError(*wrong)
    return parsed


def lenient(overrides: list[str], loader: Any) -> list[str]:
    """The overrides such that a key that no file mentions is added, not refused.

    Whether the key exists is for the checker to say: it knows what the constructor takes, and
    finds all mistakes at once where Hydra stops at the first.
    """
    return [
        f"++{text}" if o.type is OverrideType.CHANGE and not is_choice(o, loader) else text
        for text, o in zip(overrides, parse(overrides), strict=True)
    ]


def is_choice(override: Override, loader: Any) -> bool:
    """Whether an override picks an option of a group, and does not set a key."""
    group = override.get_key_element().lstrip("+~").split("@")[0]
    return "." not in group and bool(loader.repository.group_exists(group))


def compose_in(made: Any, entry: str, overrides: list[str]) -> DictConfig:
    """The composed config with its `hydra` node. Raises `UserError` on what Hydra refuses."""
    searchpath.check(made, entry, overrides)
    loader = made.config_loader
    try:
        cfg = hydra_compose(entry, lenient(overrides, loader), return_hydra_config=True)
    except ERRORS as error:
        raise UserError(messages.translate(error, overrides, loader)) from error
    HydraConfig.instance().set_config(cfg)  # so that ${hydra:...} resolves
    return cfg


def swept(made: Any, entry: str, overrides: list[str], multirun: bool) -> list[str] | None:
    """The overrides of a sweep, with what a file declares of it; None when there is none."""
    if multirun:
        return overrides
    if not any(override.startswith("experiment=") for override in overrides):
        return None  # only a preset declares one: composing once more costs time
    node = compose_in(made, entry, [o for o in overrides if not is_trust(o)]).hydra
    if str(node.mode).rpartition(".")[2] != "MULTIRUN":
        return None
    params = node.sweeper.params or {}
    return [*(f"{key}={value}" for key, value in params.items()), *overrides]


def compose(entry: str, overrides: list[str], directory: Path | None = None) -> DictConfig:
    """The config of `entry` (train, predict, evaluate), checked, without its `hydra` node.

    Raises `UserError`, one line per mistake.
    """
    from bigmodel.config.check import mistakes

    with hydra(directory) as made:
        lines = mistakes(made, entry, overrides)
        if lines:
            raise UserError(*lines)
        cfg = compose_in(made, entry, [o for o in overrides if not is_trust(o)])
    with open_dict(cfg):
        cfg.pop("hydra")
    return cfg


def is_trust(override: str) -> bool:
    """Whether this is the one setting that only the command line has: `trust=[package]`."""
    return override.partition("=")[0].strip() == "trust"
