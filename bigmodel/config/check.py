"""Check a composed config against the code that it names: all mistakes, one line each."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bigmodel.config import compose as composing
from bigmodel.config import hydra_node, signature, sweeps
from bigmodel.config.instantiate import instantiate
from bigmodel.config.provenance import Origins
from bigmodel.config.suggest import closest
from bigmodel.config.trust import KEYS, MAX_DEPTH, MAX_NODES, Untrusted, resolve, trusted, trusting
from bigmodel.errors import UserError

# what stands at the root of each entry point's config: the signature that has the last word
ROOTS = {
    "train": "bigmodel.train:Settings",
    "predict": "bigmodel.predict:predict",
    "evaluate": "bigmodel.evaluate:evaluate",
    "serve": "bigmodel.serve:serve",
    "keys": "bigmodel.serving.keys_command:add",
    "registry": "bigmodel.serving.registry.command:Asked",
    "push": "bigmodel.serving.push_command:push",
    "replay": "bigmodel.replay:replay",
    "feedback": "bigmodel.serving.feedback_export:export",
}
# groups whose objects are cheap to make
MADE = ("weighting", "augment", "compression", "learning", "export", "search")
# third-party constructors write, read or fetch by these; ours are known to behave
CAPABILITY = re.compile(
    r"(^|_)(dir|dirpath|path|file|filename|root|url|uri)($|_)|^save_dir$|model_name"
)


def check(
    entry: str, overrides: list[str], multirun: bool = False, directory: Path | None = None
) -> list[str]:
    """All mistakes of what `entry` would run with these overrides; empty when there is none.

    With `multirun`, or where a file declares a sweep, of every job of it.
    """
    with composing.hydra(directory) as made:
        try:
            swept = composing.swept(made, entry, overrides, multirun)
            jobs = [overrides] if swept is None else sweeps.jobs(swept.overrides)
            lines = [line for job in jobs for line in inspected(made, entry, job)[1]]
        except UserError as error:
            lines = list(error.lines)
    return list(dict.fromkeys(lines))


def inspected(made: Any, entry: str, overrides: list[str]) -> tuple[DictConfig | None, list[str]]:
    """One composition, with its `hydra` node, and its mistakes; None where it is none."""
    composing.parse(overrides)
    trust = [o for o in overrides if composing.is_trust(o)]
    overrides = [o for o in overrides if o not in trust]
    try:
        cfg = composing.compose_in(made, entry, overrides)
    except UserError as error:
        return None, list(error.lines)
    origins = Origins(made, entry, overrides)
    with trusting([*trusted(), *prefixes(trust)]):
        checker = Checker(origins, str(cfg.hydra.run.dir))
        hydra_node.check(cfg.hydra, origins, checker.lines)
        tree = {str(key): checker.plain(cfg, key, str(key)) for key in cfg if key != "hydra"}
        checker.root(entry, tree)
        if not checker.lines:
            checker.made(cfg)
    return cfg, checker.lines


def prefixes(overrides: list[str]) -> list[str]:
    """The packages that `trust=[...]` names on the command line."""
    values = [override.value() for override in composing.parse(overrides)]
    return [
        str(name) for value in values for name in (value if isinstance(value, list) else [value])
    ]


class Checker:
    """Walks a plain tree and collects `lines`."""

    def __init__(self, origins: Origins, run_dir: str) -> None:
        self.origins, self.run_dir = origins, Path(run_dir).resolve()
        self.lines: list[str] = []
        self._links: dict[str, str] = {}  # keys that only repeat another one
        self._wrong: set[str] = set()
        self._nodes = 0

    def say(self, key: str, text: str) -> None:
        """Add a line about `key`, unless it only repeats one that a line was said about."""
        self._wrong.add(key)
        if self._links.get(key) in self._wrong:
            return
        self.lines.append(f"{self.origins[key]}: {key}: {text}")

    def plain(self, node: Any, name: Any, key: str, depth: int = 0) -> Any:
        """A node's value as plain Python, interpolations resolved; None where one cannot be."""
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1 or depth == MAX_DEPTH + 1:
                self.say(key, f"too deep or too large ({MAX_DEPTH} levels, {MAX_NODES} values)")
            return None
        try:
            if OmegaConf.is_missing(node, name):
                self.say(key, f"needs a value; give {key}=... on the command line")
                return _MISSING
            if OmegaConf.is_interpolation(node, name):
                self._links[key] = str(node._get_node(name)._value()).strip("${}")
            value = node[name]
        except OmegaConfBaseException as error:
            self.say(key, str(error).splitlines()[0])
            return _MISSING
        if isinstance(value, DictConfig):
            return {str(k): self.plain(value, k, f"{key}.{k!s}", depth + 1) for k in value}
        if isinstance(value, ListConfig):
            return [self.plain(value, i, f"{key}.{i}", depth + 1) for i in range(len(value))]
        return value

    def root(self, entry: str, tree: dict[str, Any]) -> None:
        """The root: its keys are the entry point's own settings."""
        module, _, name = ROOTS[entry].partition(":")
        self.settings(getattr(import_module(module), name), tree, "", "there")

    def made(self, cfg: DictConfig) -> None:
        """What settings forbid together, their object says when it is made."""
        for key in MADE:
            try:
                instantiate(cfg.get(key))
            except (ValueError, InstantiationException) as error:
                cause = error.__cause__ or error
                if not isinstance(cause, ValueError):
                    raise
                self.say(key, str(cause).splitlines()[0])

    def settings(self, call: Any, given: dict[str, Any], key: str, owner: str) -> None:
        """The settings of one call: known, complete, of the right type; then what is in them."""
        known, open_ended = signature.parameters(call)
        offered = {name: p for name, p in known.items() if not p.runtime}
        for name, value in given.items():
            if name in KEYS:
                continue
            place = f"{key}.{name}" if key else name
            if name in offered:
                self.value(value, offered[name].hint, place)
                self.capability(call, name, value, place)
            elif not open_ended:
                subject = f"{owner} has no such setting" if key else "no such setting"
                self.say(place, f"{subject}{closest(name, offered)}")
        if given.get("_partial_") or "_args_" in given:
            return
        for name, parameter in offered.items():
            if parameter.required and name not in given:
                self.say(f"{key}.{name}" if key else name, f"{owner} needs this setting")

    def value(self, value: Any, hint: Any, key: str) -> None:
        """One value: a node with a target, a container that may hold some, or plain."""
        if value is _MISSING:
            return
        if _holds_target(value):
            self.nested(value, key)
            return
        if isinstance(value, dict) and signature.is_settings(hint):
            self.settings(hint, value, key, hint.__name__)
            return
        why = signature.reason(value, hint)
        if why:
            self.say(key, why)

    def nested(self, value: Any, key: str) -> None:
        """Everything below a value that holds a target somewhere."""
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.nested(item, f"{key}.{index}")
        elif isinstance(value, dict):
            for name in value:
                if name.startswith("_") and name.endswith("_") and name not in KEYS:
                    self.say(f"{key}.{name}", "not allowed in a config")
            if "_target_" in value:
                self.target(value, key)
            else:
                for name, item in value.items():
                    self.nested(item, f"{key}.{name}")

    def target(self, node: dict[str, Any], key: str) -> None:
        """A node with a `_target_`: may it be used, and does it take these settings?"""
        try:
            call = resolve(node["_target_"])
        except Untrusted as error:
            self.say(f"{key}._target_", str(error))
            for name, item in node.items():
                if name != "_target_" and _holds_target(item):
                    self.nested(item, f"{key}.{name}")
            return
        self.nested(node.get("_args_") or [], f"{key}._args_")
        self.settings(call, node, key, getattr(call, "__name__", str(call)))

    def capability(self, call: Any, name: str, value: Any, key: str) -> None:
        """A path or address for foreign code: inside the run, or typed by the user."""
        ours = str(getattr(call, "__module__", "")).startswith("bigmodel")
        if ours or not isinstance(value, str) or not value or not CAPABILITY.search(name):
            return
        if not self.origins.is_foreign(key):
            return
        if "://" not in value and (self.run_dir / value).resolve().is_relative_to(self.run_dir):
            return
        if Path(value).resolve().is_relative_to(self.run_dir) and "://" not in value:
            return
        self.say(key, f"{value} is outside the run's directory; give {key}=... on the command line")


class _Missing:
    """Stands for a value that a line was already said about."""


_MISSING = _Missing()


def _holds_target(value: Any) -> bool:
    if isinstance(value, dict):
        return "_target_" in value or any(_holds_target(item) for item in value.values())
    return isinstance(value, list) and any(_holds_target(item) for item in value)
