"""The names of models: a part of a path, of a file's path too, and of a metric."""

import re

from bigmodel.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def is_name(name: str) -> bool:
    """Whether a model may be called so."""
    return _NAME.fullmatch(name) is not None


def checked(name: str) -> str:
    """The name. Raises UserError when a model may not be called so."""
    if not is_name(name):
        raise UserError(f"name={name[:50]}: give a name of letters, digits, . _ and -")
    return name
