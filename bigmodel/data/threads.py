"""Work on arrays in several threads: numpy and Arrow let go of Python while they compute."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

In = TypeVar("In")
Out = TypeVar("Out")

MOST = 8  # more threads than this wait for memory, not for processors


def in_threads(work: Callable[[In], Out], items: Sequence[In]) -> list[Out]:
    """`work` of each item, in their order; in as many threads as there are cores to use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = min(cores or 1, MOST, len(items))
    if threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def ahead(items: Iterator[Out], begin: Callable[[], None] | None = None) -> Iterator[Out]:
    """The same items; the next one is made, in a thread, while one is used.

    `begin` is called once in that thread, before the first.
    """
    end = object()
    with ThreadPoolExecutor(1, initializer=begin) as maker:
        coming = maker.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = maker.submit(next, items, end)
            yield cast(Out, item)
            del item  # while the next one is waited for
