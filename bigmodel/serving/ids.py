"""Ids that nobody can guess: of requests, and of predictions, by which feedback names them."""

import os

_BYTES, _AT_ONCE = 12, 4096  # asking the system for each id costs as much as the network


class _Pool:
    """Random bytes of the system, asked for many at a time; used by one event loop."""

    def __init__(self) -> None:
        self._bytes, self._at = b"", 0

    def empty(self) -> None:
        """Forget what is left."""
        self._bytes, self._at = b"", 0

    def take(self) -> str:
        """The next 12 bytes, in hexadecimal digits."""
        if self._at + _BYTES > len(self._bytes):
            self._bytes, self._at = os.urandom(_AT_ONCE), 0
        self._at += _BYTES
        return self._bytes[self._at - _BYTES : self._at].hex()


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.empty)  # no two processes give the same


def new_id() -> str:
    """24 hexadecimal digits."""
    return _pool.take()


def prediction_ids(count: int) -> list[str]:
    """A new id for each row of a request, REQUEST-ROW: nobody can guess those of others."""
    request = new_id()
    return [f"{request}-{row}" for row in range(count)]
