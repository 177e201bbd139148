"""The code is the schema: what a target takes is read from its signature and type hints."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from bigmodel.config.runtime import Runtime

CONFIG = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Parameter:
    """One setting: its type hint, and whether it has to be given."""

    hint: Any
    required: bool

    @property
    def runtime(self) -> bool:
        """Whether the entrypoint fills it in, and a config may not."""
        return get_origin(self.hint) is Annotated and any(
            isinstance(mark, Runtime) for mark in get_args(self.hint)[1:]
        )


def parameters(call: Callable[..., Any]) -> tuple[dict[str, Parameter], bool]:
    """The settings of a class or function by name, and whether it takes others as well.

    A class that passes `**kwargs` on takes its parents' settings, too.
    """
    found: dict[str, Parameter] = {}
    functions = _constructors(call)
    first = functions[0]
    for function in functions:
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # builtins without a signature
            return found, True
        hints = _hints(function)
        open_ended = False
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                open_ended = True
            elif parameter.kind is not parameter.VAR_POSITIONAL and name not in ("self", "cls"):
                hint = hints.get(name, parameter.annotation)
                # what a parent needs, its child has given it; what of that it passes on is optional
                required = parameter.default is parameter.empty and function is first
                found.setdefault(name, Parameter(hint, required))
        if not open_ended:
            return found, False
    return found, not inspect.isclass(call)


def _constructors(call: Callable[..., Any]) -> list[Callable[..., Any]]:
    """What is called, in the order in which `**kwargs` are handed upwards."""
    if not inspect.isclass(call):
        return [call]
    own: list[Callable[..., Any]] = []
    for parent in call.__mro__[:-1]:
        for name in ("__init__", "__new__"):
            function = vars(parent).get(name)
            if function is not None:
                own.append(inspect.unwrap(getattr(function, "__func__", function)))
                break
    return own or [lambda: None]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001  a hint that only its author's type checker can read
        return {}


def reason(value: Any, hint: Any) -> str | None:
    """Why a plain value does not fit a hint; None when it does, or nobody can tell.

    Strict JSON rules: "3", 3.0 and true are no integers, lists may stand for tuples.
    """
    if hint in (inspect.Parameter.empty, Any):
        return None
    try:
        TypeAdapter(hint, config=CONFIG).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        details = error.errors()
        # a branch of a union that only an object could fit says nothing to who writes a config
        plain = [detail for detail in details if detail["type"] != "needs_python_object"]
        texts = dict.fromkeys(_text(detail) for detail in plain or details)
        return f"{' or '.join(texts)}, not {value!r}"
    except (PydanticUserError, TypeError, NameError, RecursionError):
        return None  # no schema for such a hint: the constructor will say
    return None


def _text(detail: Any) -> str:
    message = str(detail["msg"])
    return message[0].lower() + message[1:]


def is_settings(hint: Any) -> bool:
    """Whether a hint is a class of settings (a dataclass), whose fields are checked one by one."""
    return inspect.isclass(hint) and is_dataclass(hint)
