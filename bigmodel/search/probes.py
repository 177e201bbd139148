"""Every value of a space, composed and checked before the first trial."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bigmodel.config.check import inspected
from bigmodel.errors import UserError
from bigmodel.search.space import Parameter, Params, Space, Value, holds

_LONG = 16  # choices: a fifth of a second each


def check(made: Any, entry: str, fixed: list[str], space: Space) -> None:
    """Raise `UserError` with a line for each value that the config checker refuses.

    Of a range, its ends are looked at. A line names the place where the key was declared.
    """
    lines: dict[str, None] = {}
    for params in probes(space):
        overrides = space.overrides(params)
        for line in inspected(made, entry, [*fixed, *overrides, "search=none"])[1]:
            lines[_placed(line, overrides, space)] = None
    if lines:
        raise UserError(*lines)


def probes(space: Space) -> Iterator[Params]:
    """As few points as let each value of each parameter come once, its conditions being met.

    Of ranges, and of long lists of numbers, the ends stand for what lies between.
    """
    left = [(p.name, value) for p in space.parameters for value in _worth_a_look(p)]
    while left:
        params: Params = {}
        first = left[0]
        for parameter in space.parameters:
            if not holds(parameter, params):
                continue
            open_values = [value for name, value in left if name == parameter.name]
            needed = _needed(space, first[0]).get(parameter.name)
            values = needed or open_values or _worth_a_look(parameter)
            params[parameter.name] = first[1] if parameter.name == first[0] else values[0]
        yield params
        seen = list(params.items())
        left = [item for item in left if item not in seen and item != first]


def _worth_a_look(parameter: Parameter) -> list[Value]:
    values = parameter.grid(2)
    if len(values) <= _LONG or any(type(value) not in (int, float) for value in values):
        return values
    kinds = [[value for value in values if type(value) is kind] for kind in (int, float)]
    return [end(of_kind) for of_kind in kinds if of_kind for end in (min, max)]


def _needed(space: Space, name: str) -> dict[str, list[Any]]:
    """The values that other parameters must have for this one to exist."""
    found: dict[str, list[Any]] = {}
    by_name = {parameter.name: parameter for parameter in space.parameters}
    for other, values in by_name[name].when:
        found[other] = list(values)
        found |= _needed(space, other)
    return found


def _placed(line: str, overrides: list[str], space: Space) -> str:
    for text in overrides:
        key = text.partition("=")[0]
        start = f"command line ({text}): "
        if line.startswith(start) and not space.places[key].startswith("command line ("):
            value = text.partition("=")[2]
            rest = line.removeprefix(start).removeprefix(f"{key}: ")
            return f"{space.places[key]}: search.space.{key}: {rest} (tried with {value})"
        if line.startswith(start):
            return f"{space.places[key]}: {line.removeprefix(start)}"
        if line.startswith(f"config: {key.partition('.')[0]}: "):
            return f"{space.places[key]}: search.space.{key}: {line.removeprefix('config: ')}"
        if line.startswith(f"{text}: "):  # an option that a group does not have
            return f"{space.places[key]}: search.space.{key}: {line.removeprefix(f'{text}: ')}"
    return line
