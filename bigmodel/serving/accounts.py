"""What each key has used: in this process alone, or in one table that all workers share."""

import fcntl
import hashlib
import logging
import mmap
import os
import struct
from dataclasses import dataclass
from typing import Protocol

_KEY = struct.Struct("=Q")  # of a row: the digest of the key's id; 0: free
_FIELDS = struct.Struct("=dqqq")  # and, behind it, those of an account
_SIZE = _KEY.size + _FIELDS.size
_ROWS = 65_536  # keys that are limited: 2.5 MB, of which only what is used takes memory
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Account:
    """What one key has used.

    `due` is when (seconds of the machine's monotonic clock) all that it may send at once is there
    again. Of the day number `day`, the store knows of `stored` requests, and of `unsaved` not yet.
    """

    due: float = 0.0
    day: int = 0
    stored: int = 0
    unsaved: int = 0

    def begin(self, day: int) -> None:
        """Count for this day from now on."""
        if self.day != day:
            self.day, self.stored, self.unsaved = day, 0, 0


class Accounts(Protocol):
    """The accounts by key id. Between `open` and `close` nobody else changes that account."""

    def open(self, key_id: str) -> Account: ...  # noqa: D102
    def close(self, key_id: str, account: Account) -> None: ...  # noqa: D102


class Own:
    """The accounts of one process."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def open(self, key_id: str) -> Account:
        """The account of a key."""
        return self._accounts.setdefault(key_id, Account())

    def close(self, key_id: str, account: Account) -> None:
        """Nobody else has it."""


class Shared:
    """The accounts of all workers of a supervisor: rows of a file in memory.

    An open row is locked, for some microseconds. The kernel lets go of the lock of a worker that
    is killed, and a row is written at once: what is left behind is always whole.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._rows = mmap.mmap(file, _SIZE * _ROWS)
        self._places: dict[str, int | None] = {}
        self._own = Own()

    def open(self, key_id: str) -> Account:
        """The account of a key, locked."""
        place = self._places[key_id] if key_id in self._places else self._find(key_id)
        if place is None:
            return self._own.open(key_id)
        fcntl.lockf(self._file, fcntl.LOCK_EX, _SIZE, place)
        return Account(*_FIELDS.unpack_from(self._rows, place + _KEY.size))

    def close(self, key_id: str, account: Account) -> None:
        """Write it and let go of it."""
        place = self._places[key_id]
        if place is None:
            return
        fields = (account.due, account.day, account.stored, account.unsaved)
        _FIELDS.pack_into(self._rows, place + _KEY.size, *fields)
        fcntl.lockf(self._file, fcntl.LOCK_UN, _SIZE, place)

    def _find(self, key_id: str) -> int | None:
        """The place of a key's row, which is its own from now on; None when none is left."""
        digest = _digest(key_id)
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            place = self._free_or_own(digest)
            if place is not None:
                _KEY.pack_into(self._rows, place, digest)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
        if place is None:
            _log.warning("more than %d keys: the limits of %s hold per worker", _ROWS, key_id)
        self._places[key_id] = place
        return place

    def _free_or_own(self, digest: int) -> int | None:
        for step in range(_ROWS):
            place = (digest + step) % _ROWS * _SIZE
            if _KEY.unpack_from(self._rows, place)[0] in (0, digest):
                return place
        return None


def memory() -> int:
    """A file in memory for the accounts of all workers: gone with the last of its processes."""
    file = os.memfd_create("bigmodel-accounts")
    os.ftruncate(file, _SIZE * _ROWS)
    return file


def _digest(key_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(key_id.encode(), digest_size=8).digest()) or 1
