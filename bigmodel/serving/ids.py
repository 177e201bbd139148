"""Ids that nobody can guess: of requests, and of predictions, by which feedback names them.

A prediction is called REQUEST-ROW. The ids of a request's rows are written without making them one
by one: what stands between two of them is known beforehand, and REQUEST goes in between.
"""

import os
import struct
from functools import lru_cache
from itertools import chain

_DIGITS, _AT_ONCE = 24, 4096  # asking the system for each id costs as much as the network
_LENGTH = struct.Struct("<I")


class _Pool:
    """Random digits of the system, asked for many at a time; used by one event loop."""

    def __init__(self) -> None:
        self._digits, self._at = "", 0

    def empty(self) -> None:
        """Forget what is left."""
        self._digits, self._at = "", 0

    def take(self) -> str:
        """The next 24 hexadecimal digits."""
        start = self._at
        self._at = end = start + _DIGITS
        if end > len(self._digits):
            self._digits = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
            start, self._at = 0, _DIGITS
        return self._digits[start : self._at]


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.empty)  # no two processes give the same


def new_id() -> str:
    """24 hexadecimal digits."""
    return _pool.take()


def listed(request: str, count: int) -> bytes:
    """The ids of `count` rows as a list in JSON."""
    return request.encode().join(_in_list(count))


def packed(request: str, count: int) -> bytes:
    """The same as a binary tensor: each has its length in four bytes in front."""
    return request.encode().join(_in_tensor(count))


@lru_cache(maxsize=16)
def _in_list(count: int) -> list[bytes]:
    """What stands before, between and behind the requests' ids."""
    return [b'["', *(b'-%d","' % row for row in range(count - 1)), b'-%d"]' % (count - 1)]


@lru_cache(maxsize=16)
def _in_tensor(count: int) -> list[bytes]:
    ends = [b"-%d" % row for row in range(count)]
    lengths = (_LENGTH.pack(_DIGITS + len(end)) for end in ends)
    parts = [b"", *chain.from_iterable(zip(lengths, ends, strict=True)), b""]
    return [before + after for before, after in zip(parts[::2], parts[1::2], strict=True)]
