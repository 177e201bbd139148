"""YAML that we did not write: looked at before a parser that unfolds aliases gets to see it."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from bigmodel.config.place import shown
from bigmodel.errors import UserError

MAX_BYTES = 1 << 20  # of one file; the shipped ones have less than a thousandth of that


def check(directories: Iterable[Path]) -> None:
    """Raise `UserError` for the config files below these directories that are not harmless.

    A few hundred bytes of aliases to aliases unfold to gigabytes.
    """
    lines = [
        line
        for directory in directories
        for path in sorted(directory.rglob("*.yaml"))
        if (line := mistake(path)) is not None
    ]
    if lines:
        raise UserError(*lines)


def mistake(path: Path) -> str | None:
    """Why a YAML file is not read; None when it may be."""
    if path.stat().st_size > MAX_BYTES:
        return f"{shown(path)}: larger than {MAX_BYTES >> 20} MB; a config is not that long"
    raw = path.read_bytes()
    if b"&" not in raw:  # without an anchor there is no alias
        return None
    try:
        for token in yaml.scan(raw):
            if isinstance(token, yaml.AliasToken):
                line = token.start_mark.line + 1
                return f"{shown(path)}:{line}: YAML aliases (*{token.value}) are not allowed"
    except yaml.YAMLError:
        return None  # the parser says it better
    return None
