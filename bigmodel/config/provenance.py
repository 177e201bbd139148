"""Who wrote each key of a composed config: a file and line, or the command line."""

from pathlib import Path
from typing import Any

import yaml
from hydra.types import RunMode

from bigmodel.config.compose import is_choice, lenient, parse
from bigmodel.config.paths import CONF
from bigmodel.config.place import shown

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where it is there: ten times faster


class Origins:
    """Maps dotted keys to where they were last written."""

    def __init__(self, made: Any, entry: str, overrides: list[str]) -> None:
        self.written: dict[str, str] = {}
        self.foreign: set[str] = set()  # keys that neither we nor the command line wrote
        loader = made.config_loader
        given = lenient(overrides, loader)
        composed = loader.compute_defaults_list(entry, given, RunMode.RUN)
        for default in composed.defaults:
            self._read(loader, default)
        for override, text in zip(parse(overrides), overrides, strict=True):
            key = override.get_key_element().lstrip("+~").split("@")[0]
            if not is_choice(override, loader):
                self._forget(key)
                self.written[key] = f"command line ({text})"

    def __getitem__(self, key: str) -> str:
        """The place that wrote `key`, or else the nearest node above it."""
        while key and key not in self.written:
            key = key.rpartition(".")[0]
        return self.written.get(key, "config")

    def is_foreign(self, key: str) -> bool:
        """Whether a file that is not ours wrote this key, or the node that it stands in."""
        while key and key not in self.written:
            key = key.rpartition(".")[0]
        return key in self.foreign

    def _read(self, loader: Any, default: Any) -> None:
        if default.config_path is None:
            return
        found = loader.repository.load_config(default.config_path)
        if found is None or not str(found.path).startswith("file://"):
            return
        file = Path(found.path.removeprefix("file://"))
        file = file / f"{default.config_path.removesuffix('.yaml')}.yaml"
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=_LOADER)
        if isinstance(node, yaml.MappingNode):
            foreign = not file.is_relative_to(CONF)
            if default.package:
                self.written[default.package] = f"{shown(file)}:1"
            self._note(node, default.package or "", shown(file), foreign)

    def _note(self, node: yaml.MappingNode, parent: str, file: str, foreign: bool) -> None:
        for name, value in node.value:
            if not parent and name.value == "defaults":
                continue
            key = f"{parent}.{name.value}" if parent else str(name.value)
            self.written[key] = f"{file}:{name.start_mark.line + 1}"
            if foreign:
                self.foreign.add(key)
            else:
                self.foreign.discard(key)
            if isinstance(value, yaml.MappingNode):
                self._note(value, key, file, foreign)
            elif isinstance(value, yaml.SequenceNode):
                for index, item in enumerate(value.value):
                    place = f"{key}.{index}"
                    self.written[place] = f"{file}:{item.start_mark.line + 1}"
                    if isinstance(item, yaml.MappingNode):
                        self._note(item, place, file, foreign)

    def _forget(self, key: str) -> None:
        for old in [k for k in self.written if k.startswith(f"{key}.")]:
            del self.written[old]
        self.foreign.discard(key)
