"""`bigmodel keys add | list | revoke`: who may ask the service."""

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from annotated_types import Gt
from rich.console import Console
from rich.table import Table

from bigmodel.config.suggest import closest
from bigmodel.errors import UserError
from bigmodel.serving import keys
from bigmodel.serving.keys import Key, Priority, Scope

USAGE = """usage: bigmodel keys add name=NAME [scopes=[predict,feedback]] [KEY=VALUE ...]
       bigmodel keys list [state=DIR]
       bigmodel keys revoke ID [state=DIR]

`add` prints the key, once. A running server knows of all changes at once.
  scopes    of predict, feedback, explain, admin
  models    the names of the models that it is for; all by default
  purpose   what it was given out for
  days      until it expires; null: never
  rate      requests a second; null: no limit
  burst     requests that may come at once
  daily     requests a day (UTC); null: no limit
  priority  low, normal or high: who is refused first when the service is busy
  state     the directory that the server keeps its state in"""
WORDS = ("add", "list", "revoke")


def add(
    name: str,
    scopes: Sequence[Scope],
    models: Sequence[str] | None,
    purpose: str,
    days: Annotated[float, Gt(0)] | None,
    rate: Annotated[float, Gt(0)] | None,
    burst: Annotated[int, Gt(0)],
    daily: Annotated[int, Gt(0)] | None,
    priority: Priority,
    state: str,
) -> str:
    """Add a key to the service that keeps its state in the directory `state`; returns it.

    The settings are those of `keys.Key`; `days` from now it expires.
    """
    now = time.time()
    make = partial(
        Key,
        scopes=tuple(scopes),
        models=None if models is None else tuple(models),
        purpose=purpose,
        created=now,
        expires=None if days is None else now + days * 86_400,
        rate=rate,
        burst=burst,
        daily=daily,
        priority=priority,
    )
    key, secret = keys.add(Path(state) / keys.NAME, lambda i, d: make(id=i, name=name, digest=d))
    print(f"key {key.id} of {name!r}: it is shown once; keep it safe", file=sys.stderr)
    return secret


def show(state: Path) -> None:
    """A table of the keys, without their secrets."""
    columns = ("id", "name", "state", "scopes", "models", "limits", "priority", "until", "purpose")
    table = Table(*columns, box=None)
    for key in keys.read(state / keys.NAME):
        until = time.strftime("%Y-%m-%d", time.gmtime(key.expires)) if key.expires else "-"
        limits = [f"{key.rate:g}/s" if key.rate else "", f"{key.daily}/day" if key.daily else ""]
        table.add_row(
            key.id,
            key.name,
            key.state,
            " ".join(key.scopes),
            "all" if key.models is None else " ".join(key.models),
            " ".join(filter(None, limits)) or "-",
            key.priority,
            until,
            key.purpose,
        )
    Console(width=200).print(table, markup=False, highlight=False)  # as wide as it needs


def main(argv: list[str]) -> int:
    """`bigmodel keys`; returns 0. Raises UserError on other words and settings."""
    if not argv or {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    word, rest = argv[0], argv[1:]
    if word not in WORDS:
        raise UserError(f"command line: keys {word}: no such word{closest(word, WORDS)}")
    from bigmodel.config.compose import settings

    if word == "add":
        print(add(**settings("keys", rest)))
        return 0
    ids = [text for text in rest if "=" not in text]
    if len(ids) != (word == "revoke"):
        form = "revoke ID" if word == "revoke" else "list"
        raise UserError(f"command line: write bigmodel keys {form} [state=DIR]")
    state = Path(settings("keys", ["name=none", *(t for t in rest if "=" in t)])["state"])
    if word == "list":
        show(state)
    else:
        key = keys.revoke(state / keys.NAME, ids[0])
        print(f"key {key.id} of {key.name!r} is revoked")
    return 0
