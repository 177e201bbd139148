"""How a parameter is declared: a list of choices, or `{log: [1e-4, 1e-1]}` and its like.

optimizer.lr: { log: [1e-4, 1e-1] }              # a range; of whole numbers where both ends are
model.network.dropout: { uniform: [0, 0.5] }     # the same on a plain scale
data.batch_size: { int: [64, 512, 64] }          # whole numbers, 64 apart
model.network.norm: [layer, batch]               # one of these; of a group: its options
model.network.hidden: { layers: [1, 4], width: { log: [32, 512] } }  # [w], [w, w], ...
optimizer.momentum: { uniform: [0.8, 0.99], when: { optimizer: sgd } }  # only then
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hydra.core.override_parser.types import Glob, IntervalSweep, Override, QuotedString

from bigmodel.config.suggest import closest
from bigmodel.search.space import Condition, Parameter
from bigmodel.search.text import quoted

KINDS = ("choice", "log", "uniform", "int", "layers")
FORM = "write a list of choices, {log: [low, high]}, {uniform: ...}, {int: ...} or {layers: ...}"


class Wrong(Exception):  # noqa: N818  a verdict, not a failure
    """What is wrong with the declaration of a key, as the end of a line about it."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


def declared(node: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The declarations of a tree of keys: each key with its own; None takes one out."""
    for name, value in node.items():
        key = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping) and not any(kind in value for kind in KINDS):
            yield from declared(value, key)
        else:
            yield key, value


def parameters(key: str, given: Any) -> list[Parameter]:
    """The parameters of one declaration. Raises `Wrong`."""
    if isinstance(given, list):
        return [_choice(key, given)]
    if not isinstance(given, Mapping):
        raise Wrong(key, f"{FORM}, not {given!r}")
    kind = next(name for name in KINDS if name in given)
    allowed = {kind, "when"} | ({"width"} if kind == "layers" else set())
    for name in given:
        if name not in allowed:
            raise Wrong(key, f"a range has no {name}{closest(str(name), allowed)}")
    when = tuple(
        (str(name), tuple(values) if isinstance(values, list) else (values,))
        for name, values in (given.get("when") or {}).items()
    )
    if kind == "layers":
        return _layers(key, given, when)
    if kind == "choice":
        return [replace(_choice(key, given[kind]), when=when)]
    return [_range(key, kind, given[kind], when)]


def _choice(key: str, given: Any) -> Parameter:
    if not isinstance(given, list) or not given:
        raise Wrong(key, "has no choices; name at least one value")
    literal = any(isinstance(value, list | Mapping) for value in given)
    values = [quoted(value) if literal else value for value in given]
    return Parameter(key, key, literal=literal, choices=tuple(dict.fromkeys(values)))


def _range(key: str, kind: str, given: Any, when: Condition) -> Parameter:
    most = 3 if kind == "int" else 2  # the step
    numbers = isinstance(given, list) and all(
        isinstance(end, int | float) and not isinstance(end, bool) for end in given
    )
    if not numbers or not 2 <= len(given) <= most:
        raise Wrong(key, f"{kind} takes two ends, [low, high], not {quoted(given)}")
    low, high = given[:2]
    if not low < high:
        raise Wrong(key, f"{kind}: [{low}, {high}] is turned round or empty; write the lower first")
    if kind == "log" and low <= 0:
        raise Wrong(key, f"log: [{low}, {high}] must start above 0; use uniform")
    whole = kind == "int" or (kind == "log" and all(isinstance(end, int) for end in given))
    if kind == "int" and not all(isinstance(end, int) for end in given):
        raise Wrong(key, f"int takes whole numbers, not {quoted(given)}")
    step = given[2] if len(given) > 2 else 1
    if step < 1:
        raise Wrong(key, f"int: the step must be 1 or more, not {step}")
    high = low + (high - low) // step * step if whole else high
    return Parameter(
        key, key, low=low, high=high, whole=whole, log=kind == "log", step=step, when=when
    )


def _layers(key: str, given: Mapping[str, Any], when: Condition) -> list[Parameter]:
    if "width" not in given:
        raise Wrong(key, "layers needs a width: {layers: [1, 4], width: {log: [32, 512]}}")
    ends = given["layers"]
    if isinstance(ends, list) and len(ends) == 2 and ends[0] == ends[1]:
        layers = Parameter(key, key, choices=(ends[0],), when=when)  # a fixed depth
    else:
        layers = _range(key, "int", ends, when)
    (width,) = parameters(key, given["width"])
    return [
        replace(layers, name=f"{key}:layers", part="layers"),
        replace(width, name=f"{key}:width", part="width", when=when),
    ]


def swept(override: Override) -> list[Parameter]:
    """The parameter of a sweep in Hydra's own syntax: `a=1,2`, `a=tag(log,interval(1e-4,1))`."""
    key, value = str(override.get_key_element()).lstrip("+~"), override.value()
    if isinstance(value, IntervalSweep):
        whole = isinstance(value.start, int) and isinstance(value.end, int)
        kind = "log" if "log" in value.tags else "int" if whole else "uniform"
        return [_range(key, kind, [value.start, value.end], ())]
    if isinstance(value, Glob):
        raise Wrong(key, "name the options that are to be tried, instead of glob")
    return [_choice(key, [_plain(choice) for choice in override.sweep_iterator()])]


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    return [_plain(item) for item in value] if isinstance(value, list) else value
