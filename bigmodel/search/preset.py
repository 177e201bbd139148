"""The best trial as a preset: `experiment/best.yaml` composes to the very config that it had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from bigmodel import files
from bigmodel.config import compose as composing
from bigmodel.errors import BigmodelError
from bigmodel.search.text import quoted

NOT_OURS = ("experiment", "search", "debug")  # groups whose content stands in the values


def write(
    place: Path, entry: str, overrides: list[str], directory: Path | None, title: str
) -> None:
    """Write the preset below `place`: the options that differ from the defaults, and the values.

    `overrides` are those of the trial. Raises `BigmodelError` when the preset would not compose to
    the same: it can't take away a key.
    """
    with composing.hydra(directory) as made:
        wanted = composing.compose_in(made, entry, overrides)
        defaults = _choices(composing.compose_in(made, entry, []))
        chosen = {group: c for group, c in _choices(wanted).items() if defaults.get(group) != c}
        options = [f"{group}={quoted(option)}" for group, option in chosen.items()]
        values = _difference(_plain(composing.compose_in(made, entry, options)), _plain(wanted))
    content: dict[str, Any] = {}
    if chosen:
        content["defaults"] = [{f"override /{group}": option} for group, option in chosen.items()]
    text = yaml.safe_dump({**content, **values}, sort_keys=False, allow_unicode=True)
    files.write_text(place / "experiment" / "best.yaml", f"# @package _global_\n# {title}\n{text}")
    with composing.hydra(place, directory) as made:
        found = composing.compose_in(made, entry, ["experiment=best"])
    wrong = _difference(_plain(wanted), _plain(found)) or _difference(_plain(found), _plain(wanted))
    if wrong:
        raise BigmodelError(
            f"{place}/experiment/best.yaml: does not compose to the trial's config, as a preset "
            f"can't take a key away: {', '.join(wrong)}; set keys to null instead of using ~"
        )


def _choices(cfg: DictConfig) -> dict[str, str | None]:
    """The option of each group of our own."""
    return {
        str(group): option
        for group, option in cfg.hydra.runtime.choices.items()
        if "/" not in str(group) and "@" not in str(group) and group not in NOT_OURS
    }


def _plain(cfg: DictConfig) -> dict[str, Any]:
    """The config as written, without Hydra's part and the search's."""
    tree = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items() if key not in ("hydra", "search")}


def _difference(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What of `new` is not in `old`, as a tree."""
    found: dict[str, Any] = {}
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            below = _difference(old[key], value)
            if below:
                found[key] = below
        elif key not in old or old[key] != value:
            found[key] = value
    return found
