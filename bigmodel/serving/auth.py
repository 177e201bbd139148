"""Who asks: the key of a request, looked up in the file of keys as it is now."""

import hmac
import logging
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

from bigmodel.errors import UserError
from bigmodel.serving import keys
from bigmodel.serving.errors import ApiError
from bigmodel.serving.keys import Key, Scope
from bigmodel.serving.settings import LOOPBACK

Headers = Mapping[bytes, bytes]  # names in lower case
ANY = "any"  # what a route needs that any valid key may ask
Need = Scope | Literal["any"]

# who asks where no key is needed: on the machine's own interface, before a first key is made
ANYONE = Key(id="", name="anyone", digest="", scopes=keys.SCOPES)

_CHALLENGE = ((b"www-authenticate", b"Bearer"),)
_EVERY = 0.01  # seconds between two looks at the file: each takes as long as a small network
_LONGEST = 256  # characters; ours have 46
_log = logging.getLogger(__name__)


class Keyring:
    """The keys that are valid now.

    The file is looked at a hundred times a second, while requests come: a revoked key is refused at
    once, and by each of several processes. With `required=False` anyone may ask as long as there
    has been no key; from the first one on, keys are demanded, also when the file disappears.
    """

    def __init__(self, path: Path, required: bool) -> None:
        self._path, self.required = path, required
        self._keys: dict[str, Key] = {}
        self._seen: tuple[int, ...] | None = None
        self._looked = 0.0
        self._refresh()

    def identify(self, headers: Headers) -> Key:
        """The key of a request, by its headers (names in lower case); ApiError 401 without one."""
        self._refresh()
        if not self.required:
            _refuse_foreign_pages(headers)
            return ANYONE
        secret = secret_of(headers)
        if secret is None:
            raise _refusal("key_missing", "needs a key: send Authorization: Bearer KEY")
        digest = keys.digest_of(secret)
        key = self._keys.get(digest)
        # the look-up reveals at most something of a digest, from which no key can be made
        if key is None or not hmac.compare_digest(key.digest, digest):
            raise _refusal("key_unknown", "this key is not known here")
        if key.state != "valid":
            raise _refusal(f"key_{key.state}", f"this key is {key.state}; ask for a new one")
        return key

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked < _EVERY:
            return
        self._looked = now
        try:
            found = os.stat(self._path)  # noqa: PTH116  twice as fast as Path.stat
            seen: tuple[int, ...] = (found.st_mtime_ns, found.st_ino, found.st_size)
        except FileNotFoundError:
            seen = ()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = {key.digest: key for key in keys.read(self._path)}
        except (UserError, OSError) as error:  # those known so far stay valid: edited by hand?
            _log.error("%s", error)
        self.required = self.required or bool(self._keys)


class Everybody:
    """A service that asks for no keys: `serving.auth=none`."""

    required = False

    def identify(self, headers: Headers) -> Key:
        """Anyone, whatever key is shown."""
        return ANYONE


def authorize(key: Key, need: Need, model: str | None) -> None:
    """Raise ApiError 403 unless the key has this scope, and is for this model."""
    if need != ANY and need not in key.scopes:
        raise ApiError(403, "scope_missing", f"this key has no scope {need!r}")
    if model is not None and key.models is not None and model not in key.models:
        raise ApiError(403, "model_forbidden", "this key is not for this model")


def secret_of(headers: Headers) -> str | None:
    """The key that a request shows: `Authorization: Bearer KEY`, or `X-API-Key: KEY`.

    None where it shows none. Raises ApiError 401 for another scheme, or two keys.
    """
    secret = headers.get(b"x-api-key")
    bearer = headers.get(b"authorization")
    if bearer is not None:
        scheme, _, rest = bearer.partition(b" ")
        if scheme.lower() != b"bearer" or secret is not None:
            raise _refusal("key_malformed", "send one key: Authorization: Bearer KEY")
        secret = rest
    return None if secret is None else secret[:_LONGEST].strip().decode("latin-1")


def _refuse_foreign_pages(headers: Headers) -> None:
    """Without keys, no page that is open in a browser here may ask in its reader's place.

    The page says whence it came; one that has given its own name this machine's address says so
    as the host.
    """
    for name in (b"host", b"origin"):
        value = headers.get(name)
        if value is not None and _host(value) not in LOOPBACK:
            raise ApiError(
                403, "foreign_page", "without keys only programs and pages of this machine may ask",
                name.decode(),
            )  # fmt: skip


@lru_cache(maxsize=64)
def _host(value: bytes) -> str:
    """The host of `http://host:port` or `host:port`."""
    host = value.decode("latin-1").rpartition("//")[2]
    name, _, port = host.rpartition(":")
    return (name if port.isdigit() else host).strip("[]")


def _refusal(code: str, message: str) -> ApiError:
    return ApiError(401, code, message, headers=_CHALLENGE)
