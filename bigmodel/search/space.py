"""The space of a search: its parameters, their conditions, and the overrides that values mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bigmodel.search.text import quoted

if TYPE_CHECKING:
    from optuna.trial import Trial

Value = bool | int | float | str | None
Params = dict[str, Value]
Condition = tuple[tuple[str, tuple[Value, ...]], ...]  # parameters by name, and their values


@dataclass(frozen=True)
class Parameter:
    """One thing that is varied.

    `key` is the config key or group that it sets; of a list of layers, their number and their
    width are two parameters of one key, told apart by `part`. It has `choices` (with `literal`,
    they are texts in the grammar of the command line: lists and mappings), or else a range from
    `low` to `high`, both included: of whole numbers when `whole`, a multiple of `step` apart; on a
    logarithmic scale when `log`. It exists only while each parameter of `when`, by name, has one
    of the values named there.
    """

    name: str
    key: str
    part: Literal["", "layers", "width"] = ""
    literal: bool = False
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False
    step: int = 1
    when: Condition = ()

    def draw(self, trial: Trial) -> Value:
        """The trial's value; one that it has already stays."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        if self.whole:
            low, high = int(self.low), int(self.high)
            return trial.suggest_int(self.name, low, high, step=self.step, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def grid(self, points: int) -> list[Value]:
        """The choices, or up to so many values of the range, its ends included."""
        if self.choices:
            return list(self.choices)
        if self.whole and not self.log:
            inside = range(int(self.low), int(self.high) + 1, self.step)
            at = np.linspace(0, len(inside) - 1, min(points, len(inside)))
            return [inside[round(float(place))] for place in at]
        spaced = (np.geomspace if self.log else np.linspace)(self.low, self.high, points)
        if self.whole:
            return list(dict.fromkeys(round(float(value)) for value in spaced))
        return [float(f"{value:.6g}") for value in spaced]

    def __contains__(self, value: object) -> bool:
        if self.choices:
            return value in self.choices
        number = isinstance(value, int if self.whole else int | float)
        return number and not isinstance(value, bool) and self.low <= value <= self.high  # type: ignore[operator]


@dataclass(frozen=True)
class Space:
    """All parameters, those that a condition asks about before those that have it."""

    parameters: tuple[Parameter, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict, compare=False)  # who wrote a key

    def active(self, params: Mapping[str, Any]) -> Params:
        """Of these values, those that exist together, in the order of the parameters."""
        found: Params = {}
        for parameter in self.parameters:
            if parameter.name in params and holds(parameter, found):
                found[parameter.name] = params[parameter.name]
        return found

    def overrides(self, params: Mapping[str, Value]) -> list[str]:
        """What the values mean on a command line, choices of groups first."""
        texts, layers = [], dict[str, Any]()
        for parameter in self.parameters:
            if parameter.name not in params:
                continue
            value, key = params[parameter.name], parameter.key
            if parameter.part == "layers":
                layers[key] = value
            elif parameter.part == "width":
                texts.append(f"{key}={quoted([value] * layers[key])}")
            else:
                texts.append(f"{key}={value if parameter.literal else quoted(value)}")
        return sorted(texts, key=lambda text: "." in text.partition("=")[0])

    def describe(self) -> dict[str, Any]:
        """The space as plain values, to be compared with that of a record."""
        return {
            p.name: {
                "range": [list(p.choices)] if p.choices else [p.low, p.high, p.step],
                "scale": "choice" if p.choices else f"{'log' * p.log}{'int' * p.whole}",
                "when": [[name, list(values)] for name, values in p.when],
            }
            for p in self.parameters
        }


def holds(parameter: Parameter, params: Mapping[str, Value]) -> bool:
    """Whether the conditions of a parameter are met; `params` are the values of those before it."""
    return all(name in params and params[name] in values for name, values in parameter.when)


def ordered(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Each one after those that its conditions ask about. Raises ValueError in a circle."""
    left, done = list(parameters), list[Parameter]()
    while left:
        known = {parameter.name for parameter in done}
        ready = [p for p in left if all(name in known for name, _ in p.when)]
        if not ready:
            raise ValueError(left[0].name)
        done += ready
        left = [p for p in left if p not in ready]
    return done


def start(space: Space, values: Mapping[str, Any]) -> Params:
    """The settings that the composition has anyway, as far as they lie in the space.

    `values` holds, by key, what the composed config has there; a list of equal widths becomes its
    two parameters.
    """
    found: dict[str, Any] = {}
    for parameter in space.parameters:
        value = values.get(parameter.key)
        if parameter.part == "layers":
            value = len(value) if isinstance(value, list) else None
        elif parameter.part == "width":
            value = value[0] if isinstance(value, list) and len(set(value)) == 1 else None
        elif parameter.literal:
            value = quoted(value)
        if value in parameter:
            found[parameter.name] = value
    return space.active(found)
