"""The file of API keys: who may do what, how much, and until when.

A key is 32 random bytes, shown once. The file holds its SHA-256 only, which is enough: nobody
guesses 256 random bits, so a slow hash would protect nothing and cost each request.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from bigmodel import files
from bigmodel.errors import UserError

Scope = Literal["predict", "feedback", "explain", "admin"]
Priority = Literal["low", "normal", "high"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
NAME = "keys.json"  # in the service's directory of state
PREFIX = "bm_"  # so that scanners for leaked secrets find ours
_FORMAT = 1


@dataclass(frozen=True)
class Key:
    """What the holder of one key may do.

    `digest` is the SHA-256 of the key, 64 hexadecimal digits. `models` are names; None means
    all. `created` and `expires` are seconds since 1970; None: it never expires. `rate` is in
    requests a second, `burst` the requests that may come at once, `daily` the requests a day
    (UTC); None: no limit. `purpose` is what the key was given out for.
    """

    id: str
    name: str
    digest: str
    scopes: tuple[Scope, ...]
    models: tuple[str, ...] | None = None
    purpose: str = ""
    created: float = 0.0
    expires: float | None = None
    rate: float | None = None
    burst: int = 1
    daily: int | None = None
    priority: Priority = "normal"
    revoked: bool = False

    @property
    def state(self) -> str:
        """`valid`, `expired` or `revoked`, now."""
        if self.revoked:
            return "revoked"
        expired = self.expires is not None and self.expires <= time.time()
        return "expired" if expired else "valid"


def digest_of(secret: str) -> str:
    """What a key is known by: its SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def read(path: Path) -> tuple[Key, ...]:
    """The keys in the file, oldest first; none where there is no file. UserError when damaged."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return ()
    try:
        content = json.loads(raw)
        if content["format"] != _FORMAT:
            raise ValueError("of another format")
        return tuple(_key(entry) for entry in content["keys"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: not a file of keys of this bigmodel ({error}); "
            "bring back a copy, or remove it and add new keys"
        ) from error


def _key(entry: dict[str, Any]) -> Key:
    models = entry.pop("models")
    scopes = tuple(entry.pop("scopes"))
    return Key(scopes=scopes, models=None if models is None else tuple(models), **entry)


def add(path: Path, key: Callable[[str, str], Key]) -> tuple[Key, str]:
    """Add the key that `key(id, digest)` makes; returns it with its secret.

    The secret stands nowhere else: who loses it adds another key.
    """
    secret = PREFIX + secrets.token_urlsafe(32)
    made = key(secrets.token_hex(4), digest_of(secret))
    with _editing(path) as held:
        held.append(made)
    return made, secret


def revoke(path: Path, key_id: str) -> Key:
    """Revoke a key by its id. Raises UserError when there is no such key."""
    with _editing(path) as held:
        for position, key in enumerate(held):
            if key.id == key_id:
                held[position] = replace(key, revoked=True)
                return held[position]
        raise UserError(f"{path}: has no key {key_id!r}; `bigmodel keys list` shows their ids")


@contextmanager
def _editing(path: Path) -> Iterator[list[Key]]:
    """The keys, to be changed; written back whole. Other writers wait until then."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.locked(path.with_suffix(".lock"), permissions=0o600):
        held = list(read(path))
        yield held
        with files.atomic(path, "w", permissions=0o600) as file:
            json.dump({"format": _FORMAT, "keys": [asdict(key) for key in held]}, file, indent=1)
