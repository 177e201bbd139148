"""Where Hydra looks for configs: the user's directory first, and directories only.

Hydra imports a `pkg://` entry of its search path while it composes, before any check can see it.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from bigmodel.config import foreign
from bigmodel.config.paths import CONF, PLUGINS, user_conf
from bigmodel.config.place import shown
from bigmodel.errors import UserError


class UserConf(SearchPathPlugin):
    """Puts the user's directory first: its files compose with the shipped ones and shadow them."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra whenever it makes a search path."""
        path = user_conf()
        if path is not None:
            search_path.prepend("user", f"file://{path}")


def register() -> None:
    """Tell Hydra about the user's directory and our sweeper; a second call changes nothing."""
    if str(PLUGINS) not in sys.path:
        sys.path.append(str(PLUGINS))
    plugins = Plugins.instance()
    plugins.register(UserConf)
    plugins.register(import_module("hydra_plugins.bigmodel_search").SearchSweeper)


def check(made: Any, entry: str, overrides: list[str]) -> None:
    """Raise `UserError` when the primary config or an override names anything but directories.

    Hydra takes search paths from these two places only. The files of directories that are not
    ours are looked at before they are parsed.
    """
    places = [str(p.path) for p in made.config_loader.get_search_path().get_path()]
    places += [text.partition("=")[2].strip("[]") for text in overrides if "searchpath" in text]
    paths = [Path(p.removeprefix("file://")) for p in ",".join(places).split(",") if "file:" in p]
    foreign.check(path for path in paths if path != CONF and path.is_dir())
    found = made.config_loader.repository.load_config(entry)
    node = found.config.get("hydra") if found is not None else None
    entries = list(node.get("searchpath") or []) if node is not None else []
    wrong = [_line(found.path, entry, e) for e in entries if not _is_directory(e)]
    for text in overrides:
        if text.lstrip("+~").startswith("hydra.searchpath") and ("pkg:" in text or "${" in text):
            wrong.append(f"command line ({text}): hydra.searchpath: {_RULE}")
    if wrong:
        raise UserError(*wrong)


_RULE = "only file:// directories may be searched"


def _line(directory: str, entry: str, value: object) -> str:
    file = Path(directory.removeprefix("file://")) / f"{entry}.yaml"
    return f"{shown(file)}: hydra.searchpath: {value}: {_RULE}"


def _is_directory(entry: object) -> bool:
    return isinstance(entry, str) and entry.startswith("file://") and "${" not in entry
