"""Where a search's space comes from: its own declarations, the command line, and the presets.

A preset of a group may bring a space, `space/<group>/<option>.yaml`. It counts while that option
is chosen; where the search chooses among options, each one's space has that as its condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from bigmodel.config.compose import ERRORS
from bigmodel.config.place import shown
from bigmodel.config.provenance import Origins
from bigmodel.config.suggest import closest
from bigmodel.errors import UserError
from bigmodel.search.declare import KINDS, Wrong, declared, parameters, swept
from bigmodel.search.settings import Search
from bigmodel.search.space import Condition, Parameter, Space, Value, ordered

FIX = "write search.space.optimizer.lr={log: [1e-4, 1e-1]}, or optimizer.lr=1e-3,1e-2"


@dataclass(frozen=True)
class Given:
    """What a search is started with.

    `cfg` is what all trials have in common, `fixed` its overrides, `sweeps` those that vary a key;
    `origins` says who wrote what.
    """

    made: Any
    cfg: DictConfig
    fixed: list[Override]
    sweeps: list[Override]
    origins: Origins

    @property
    def fixed_keys(self) -> set[str]:
        """The keys and groups that the command line sets to one value."""
        return {key_of(override) for override in self.fixed}


def key_of(override: Override) -> str:
    """The key or group that an override is about."""
    return str(override.get_key_element()).lstrip("+~")


def space_of(search: Search, given: Given) -> Space:
    """The whole space. Raises `UserError` with a line for each mistake in it."""
    reader = _Reader(given.fixed_keys, partial(at, given.cfg))
    for key, node in declared(search.space):
        make = partial(_parameters, given.cfg, key, node)
        reader.add(key, given.origins[f"search.space.{key}"], make)
    for override in given.sweeps:
        reader.add(
            key_of(override), f"command line ({override.input_line})", partial(swept, override)
        )
    if search.presets:
        for group, option, every in _chosen(given, reader.found):
            for key, place, node in _preset(given.made, group, option):
                condition = ((group, (option,)),) if len(every) > 1 else ()
                reader.preset(group, key, place, node, condition)
    return reader.space()


def _parameters(cfg: DictConfig, key: str, node: Any) -> list[Parameter]:
    if node is None:  # takes out what a preset would search
        return []
    above, _, name = key.rpartition(".")
    found = OmegaConf.select(cfg, above) if above else None
    if found is not None and not OmegaConf.is_config(found):  # a range of another kind
        raise Wrong(above, f"a range has no {name}{closest(name, KINDS)}")
    return parameters(key, node)


class _Reader:
    """Collects parameters by key, where each was declared, and a line for each mistake."""

    def __init__(self, fixed: set[str], at: Callable[[str], Any]) -> None:
        self.fixed, self.at = fixed, at
        self.found: dict[str, list[Parameter]] = {}
        self.places: dict[str, str] = {}
        self._presets: dict[str, list[Parameter]] = {}
        self._group: dict[str, str] = {}  # whose preset searches a key
        self._lines: list[str] = []

    def add(self, key: str, place: str, make: Callable[[], list[Parameter]]) -> None:
        """The declaration of a key, which stands above what a preset says of it."""
        try:
            self.found[key] = make() if key not in self.fixed else []
        except Wrong as wrong:
            self._lines.append(f"{place}: {_label(wrong.key)}: {wrong}")
        self.places[key] = place

    def preset(self, group: str, key: str, place: str, node: Any, condition: Condition) -> None:
        """What an option of a group says of a key, under a condition.

        The same said by two options is one parameter; a second group is not listened to.
        """
        if key in self.found or key in self.fixed or self._group.setdefault(key, group) != group:
            return
        try:
            made = [replace(p, when=(*condition, *p.when)) for p in parameters(key, node)]
        except Wrong as wrong:
            self._lines.append(f"{place}: {_label(wrong.key)}: {wrong}")
            return
        self.places.setdefault(key, place)
        known = self._presets.setdefault(key, [])
        for parameter in made:
            self._merge(known, parameter, condition)

    def _merge(self, known: list[Parameter], new: Parameter, condition: Condition) -> None:
        for at, old in enumerate(known):
            if replace(old, name=new.name, when=old.when[1:]) == replace(new, when=new.when[1:]):
                (group, options), *rest = old.when
                known[at] = replace(old, when=((group, (*options, *condition[0][1])), *rest))
                return
        if any(old.name == new.name for old in known):  # another range where another option is
            new = replace(new, name=f"{new.name}@{condition[0][1][0]}")
        known.append(new)

    def space(self) -> Space:
        """What was collected. Raises `UserError` when a line was."""
        every = [p for params in (*self.found.values(), *self._presets.values()) for p in params]
        names = {p.name for p in every}
        every = [q for q in (self._settled(p, names) for p in every) if q is not None]
        if not every and not self._lines:
            self._lines.append(f"search.space: there is nothing to search; {FIX}")
        if self._lines:
            raise UserError(*dict.fromkeys(self._lines))
        try:
            return Space(tuple(ordered(every)), self.places)
        except ValueError as error:
            raise UserError(
                f"search.space: the conditions of {error} go round in a circle"
            ) from error

    def _settled(self, parameter: Parameter, names: set[str]) -> Parameter | None:
        """The parameter without conditions on what is not searched; None if one of them fails."""
        left = []
        for name, values in parameter.when:
            if name in names:
                left.append((name, values))
            elif (value := self.at(name)) is None:
                near = closest(name, names - {parameter.name})
                line = f"when asks for {name}, which is neither searched nor a setting{near}"
                self._lines.append(f"{self.places[parameter.key]}: {_label(parameter.key)}: {line}")
            elif value not in values:
                return None
        return replace(parameter, when=tuple(left))


def at(cfg: DictConfig, key: str) -> Any:
    """What the composition has at a key, as plain values, or chose in a group."""
    value = cfg.hydra.runtime.choices.get(key, OmegaConf.select(cfg, key))
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _label(key: str) -> str:
    return f"search.space.{key}"


def _chosen(
    given: Given, found: Mapping[str, list[Parameter]]
) -> Iterator[tuple[str, str, tuple[Value, ...]]]:
    """The options whose presets count: of each group the chosen one, or all that are searched.

    The model's come first: it knows better than its optimizer which learning rates it needs.
    """
    choices = given.cfg.hydra.runtime.choices
    for group in sorted(choices, key=lambda name: (name != "model", name)):
        choice = choices[group]
        varied = found.get(group)
        every = varied[0].choices if varied else (choice,)
        for option in every:
            if option is not None:
                yield group, str(option), every


def _preset(made: Any, group: str, option: str) -> Iterator[tuple[str, str, Any]]:
    """Each key of an option's space, where it is written, and its declaration."""
    name = f"space/{group}/{option}"
    if not made.config_loader.repository.config_exists(name):
        return
    file = Path(str(made.config_loader.repository.load_config(name).path).removeprefix("file://"))
    try:
        tree = OmegaConf.to_container(hydra_compose(name), resolve=True)
    except ERRORS as error:
        raise UserError(f"{shown(file / name)}.yaml: {str(error).splitlines()[0]}") from error
    assert isinstance(tree, dict)
    for key, node in declared({str(name): value for name, value in tree.items()}):
        yield key, f"{shown(file / name)}.yaml", node
