"""`bigmodel registry add | list | promote | traffic | rollback | gc`: versions, and who answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge, Le
from rich.console import Console
from rich.table import Table

from bigmodel.bundle.load import load
from bigmodel.config.suggest import closest
from bigmodel.data.schema import Schema
from bigmodel.errors import UserError
from bigmodel.serving.registry.catalog import Registry, open_registry
from bigmodel.serving.registry.compatible import compatible
from bigmodel.serving.registry.state import State
from bigmodel.serving.rows import Reader

USAGE = """usage: bigmodel registry add bundle=DIR_OR_ZIP [name=NAME]
       bigmodel registry list [name=NAME]
       bigmodel registry promote [version=VERSION] [name=NAME] [force=true]
       bigmodel registry traffic [canary=VERSION percent=10] [shadow=VERSION] [name=NAME]
       bigmodel registry rollback [name=NAME]
       bigmodel registry gc [keep=5]

All take registry=DIR_OR_URL (by default ./models). Servers follow at once what is changed.
  add       opens the bundle, asks it and keeps it; nobody is answered by it yet
  promote   the version (its first characters do), or else the canary, answers everybody
  traffic   canary=null and shadow=null take them away
  rollback  the stable version before answers again
  gc        removes versions that are not needed, and what killed writers left"""


@dataclass(frozen=True)
class Asked:
    """What `conf/registry.yaml` holds."""

    registry: str
    bundle: str | None
    name: str | None
    version: str | None
    canary: str | None
    percent: Annotated[float, Ge(0), Le(100)] | None
    shadow: str | None
    force: bool
    reason: str | None
    keep: Annotated[int, Ge(0)]


@dataclass(frozen=True)
class Task:
    """A word's work: on which registry, with what, and which settings were given."""

    registry: Registry
    asked: Asked
    given: frozenset[str]

    @property
    def name(self) -> str:
        """The model: the one that is named, or else the only one."""
        if self.asked.name is not None:
            return self.asked.name
        found = self.registry.models()
        if len(found) != 1:
            raise UserError(f"name=...: give one of the models: {', '.join(found) or 'none'}")
        return found[0]


def add(task: Task) -> None:
    """Keep a bundle."""
    if task.asked.bundle is None:
        raise UserError("bundle=...: name the bundle to add")
    name, version = task.registry.add(task.asked.bundle, task.asked.name)
    print(f"{name}: {version} is there")
    if task.registry.state(name).stable is None:
        print(f"bigmodel registry promote name={name} version={version[:12]} lets it answer")


def show(task: Task) -> None:
    """A table of the versions."""
    table = Table("model", "version", "labels", "added", "bytes", "why", box=None)
    for name in [task.asked.name] if task.asked.name else task.registry.models():
        state = task.registry.state(name)
        reasons = {event.version: event.reason for event in state.history}
        for one in task.registry.versions(name):
            labels = [label for label, version in state.labels.items() if version == one.version]
            told = [
                f"{label} {state.percent:g} %" if label == "canary" else label for label in labels
            ]
            added = time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.added))
            why = reasons.get(one.version, "") if "stable" in labels else ""
            table.add_row(name, one.version[:12], ", ".join(told), added, f"{one.size:,}", why)
    Console(width=200).print(table, markup=False, highlight=False)


def promote(task: Task) -> None:
    """A version answers everybody."""
    name, state = task.name, task.registry.state(task.name)
    given = task.asked.version or state.canary
    if given is None:
        raise UserError(f"version=...: {name} has no canary; name the version to promote")
    version = task.registry.resolve(name, given)
    _check(task, name, version, state)
    reason = task.asked.reason or "promoted on the command line"
    task.registry.edit(name, lambda now: now.promoted(version, reason, task.asked.force))
    print(f"{name}: {version[:12]} is stable")


def traffic(task: Task) -> None:
    """Canary, its share, and shadow."""
    name, asked = task.name, task.asked
    state = task.registry.state(name)
    given = {}
    for label in {"canary", "shadow"} & task.given:
        wanted = getattr(asked, label)
        given[label] = None if wanted is None else task.registry.resolve(name, wanted)
        if given[label] is not None:
            _check(task, name, str(given[label]), state)

    def change(now: State) -> State:
        canary = given.get("canary", now.canary)
        if asked.percent is not None and canary is None:
            raise UserError("percent=...: it is a canary's: name one with canary=VERSION")
        share = now.percent if asked.percent is None else asked.percent
        now = now.with_canary(canary, share, asked.force)
        return now.with_shadow(given["shadow"]) if "shadow" in given else now

    after = task.registry.edit(name, change)
    shown = [f"{k} {v[:12]}" for k, v in after.labels.items()]
    print(f"{name}: {', '.join(shown)}; the canary answers {after.percent:g} %")


def rollback(task: Task) -> None:
    """The stable version before answers again."""
    reason = task.asked.reason or "rolled back on the command line"
    state = task.registry.edit(task.name, lambda now: now.rolled_back(reason))
    print(f"{task.name}: {str(state.stable)[:12]} is stable")


def gc(task: Task) -> None:
    """Remove what nobody needs."""
    for name in [task.asked.name] if task.asked.name else task.registry.models():
        gone = task.registry.gc(name, task.asked.keep)
        print(f"{name}: {len(gone)} versions removed")


WORDS: dict[str, Callable[[Task], None]] = {
    "add": add,
    "list": show,
    "promote": promote,
    "traffic": traffic,
    "rollback": rollback,
    "gc": gc,
}


def main(argv: list[str]) -> int:
    """`bigmodel registry`; returns 0. Raises UserError on other words and settings."""
    if not argv or {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    word, rest = argv[0], argv[1:]
    if word not in WORDS:
        raise UserError(f"command line: registry {word}: no such word{closest(word, WORDS)}")
    from bigmodel.config.compose import settings

    asked = Asked(**settings("registry", [_literal(text) for text in rest]))
    given = frozenset(text.partition("=")[0].lstrip("+~") for text in rest)
    WORDS[word](Task(open_registry(asked.registry), asked, given))
    return 0


def _literal(text: str) -> str:
    """A version as a text also where its digits look like a number: 933e3962, 10345678."""
    name, _, value = text.partition("=")
    version = name in ("version", "canary", "shadow") and value.isalnum() and value != "null"
    return f"{name}='{value}'" if version else text


def _check(task: Task, name: str, version: str, state: State) -> None:
    """Raise UserError unless the version opens, and the stable one's callers can ask it."""
    new = _schema(task.registry, name, version)
    if state.stable in (None, version) or task.asked.force:
        return
    lines = compatible(_schema(task.registry, name, str(state.stable)), new)
    if lines:
        raise UserError(
            *(f"{name}: {version[:12]}: {line}; force=true lets it answer" for line in lines)
        )


def _schema(registry: Registry, name: str, version: str) -> Schema:
    """The schema of a version that opens, with the columns alone that callers have to send."""
    bundle = load(registry.path(name, version))
    costs = () if bundle.postprocess.costs is None else bundle.postprocess.costs.columns
    needed = Reader(bundle.schema, bundle.encoder, costs).needed
    return replace(bundle.schema, columns=tuple(needed.values()))
