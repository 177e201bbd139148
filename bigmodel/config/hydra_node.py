"""The `hydra:` node is a second door: Hydra acts on it before any of our code runs.

Its callbacks, logging handlers and environment settings can all run code or write files, so a
config file may only set what belongs to a run: where it is written, and which of the known
sweepers and launchers starts it.
"""

import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bigmodel.config.compose import SEARCH
from bigmodel.config.provenance import Origins

ALLOWED = re.compile(
    r"hydra(\.(run(\.dir)?|sweep(\.(dir|subdir))?|output_subdir|mode|searchpath|sweeper|launcher"
    r"|sweeper\..*|launcher\.(?!_target_).*|job(\.(name|num|chdir|config))?))?"
)
SWEEPERS = ("hydra._internal.core_plugins.basic_sweeper.BasicSweeper", SEARCH)
LAUNCHERS = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
)


def check(node: DictConfig, origins: Origins, lines: list[str]) -> None:
    """Append a line for everything in the `hydra` node that may not be there."""
    for key in sorted(origins.written):
        if key.startswith("hydra.") and not ALLOWED.fullmatch(key):
            lines.append(f"{origins[key]}: {key}: may not be set: Hydra acts on it unchecked")
    for part, known in (("sweeper", SWEEPERS), ("launcher", LAUNCHERS)):
        target = node.get(part, {}).get("_target_")
        if target is not None and target not in known:
            key = f"hydra.{part}._target_"
            lines.append(f"{origins[key]}: {key}: {target} is not a known {part}")
        _no_targets(node.get(part), f"hydra.{part}", origins, lines)
    for key in ("hydra.run.dir", "hydra.sweep.dir"):
        if key in origins.foreign:
            _check_inside(str(node[key.split(".")[1]].dir), key, origins, lines)


def _no_targets(part: Any, key: str, origins: Origins, lines: list[str]) -> None:
    """Nothing inside a sweeper or launcher may name a target of its own."""
    for name, value in (part or {}).items():
        if isinstance(value, DictConfig):
            if "_target_" in value:
                place = f"{key}.{name}._target_"
                lines.append(f"{origins[place]}: {place}: may not be set: Hydra calls it unchecked")
            _no_targets(value, f"{key}.{name}", origins, lines)


def _check_inside(value: str, key: str, origins: Origins, lines: list[str]) -> None:
    if not Path(value).resolve().is_relative_to(Path.cwd()):
        lines.append(
            f"{origins[key]}: {key}: {value} is outside the working directory; "
            f"give {key}=... on the command line"
        )
