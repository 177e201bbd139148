"""Compose one entry point's config from the groups and the overrides; nothing is run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from bigmodel.config import messages, paths, searchpath
from bigmodel.errors import UserError

SEARCH = "hydra_plugins.bigmodel_search.SearchSweeper"  # the sweeper of the group `search`
COMMAND_LINE = "command line"  # who puts the directory of --config-dir on the search path
ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, OSError, ValueError)


@contextmanager
def hydra(*directories: Path | None) -> Iterator[Any]:
    """A fresh Hydra over the shipped groups, the user's, and `directories` before both.

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
        loader: Any = made.config_loader
        for place in reversed(directories):
            if place is not None:
                loader.get_search_path().prepend(COMMAND_LINE, f"file://{place.resolve()}")
        loader.repository.initialize_sources(loader.get_search_path())
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


class Sweep(NamedTuple):
    """The overrides of a sweep; of a search, those that all its trials have in common."""

    overrides: list[str]
    search: bool = False


def swept(made: Any, entry: str, overrides: list[str], multirun: bool) -> Sweep | None:
    """The sweep that the overrides ask for, with what a file declares of it; None without one."""
    if not any(override.startswith(("experiment=", "search=")) for override in overrides):
        return Sweep(overrides) if multirun else None  # only presets declare one; composing costs
    fixed = [o for o in overrides if not parse([o])[0].is_sweep_override()]
    node = compose_in(made, entry, [o for o in fixed if not is_trust(o)]).hydra
    if node.sweeper.get("_target_") == SEARCH:
        return Sweep(fixed, search=True)
    if multirun:
        return Sweep(overrides)
    if str(node.mode).rpartition(".")[2] != "MULTIRUN":
        return None
    params = node.sweeper.params or {}
    return Sweep([*(f"{key}={value}" for key, value in params.items()), *overrides])


def compose(entry: str, overrides: list[str], directory: Path | None = None) -> DictConfig:
    """The config of `entry` (train, predict, evaluate, serve), checked, without its `hydra` node.

    Raises `UserError`, one line per mistake.
    """
    from bigmodel.config.check import inspected

    with hydra(directory) as made:
        cfg, lines = inspected(made, entry, overrides)
    if cfg is None or lines:
        raise UserError(*lines)
    with open_dict(cfg):
        cfg.pop("hydra")
    return cfg


def is_trust(override: str) -> bool:
    """Whether this is the one setting that only the command line has: `trust=[package]`."""
    return override.partition("=")[0].strip() == "trust"


def settings(entry: str, overrides: list[str]) -> dict[str, Any]:
    """The same as plain values by name, for an entry point that is a function of them."""
    content = OmegaConf.to_container(compose(entry, overrides), resolve=True)
    return {str(name): value for name, value in content.items()}  # type: ignore[union-attr]
