"""The memory of this process: how much it holds, and what it can give back."""

import ctypes
import os
from collections.abc import Callable
from functools import cache


def resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  asked for often
            pages = int(file.read().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Return to the system what was freed: the C library keeps it otherwise, for itself."""
    _trim()()


@cache
def _trim() -> Callable[[], object]:
    """glibc's `malloc_trim`, or nothing where there is another library."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return lambda: None
    trim.argtypes = [ctypes.c_size_t]
    return lambda: trim(0)
