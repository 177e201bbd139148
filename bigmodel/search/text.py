"""Values as the command line writes them."""

import re
from collections.abc import Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
_TAKEN = ("null", "true", "false", "nan", "inf")  # words that mean something else


def quoted(value: Any) -> str:
    """A value of a config in Hydra's grammar for overrides; lists and mappings included."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{quoted(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(quoted(item) for item in value) + "]"
    if _PLAIN.fullmatch(value) and value.lower() not in _TAKEN:
        return str(value)
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)  # backslashes count only before a quote
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"
