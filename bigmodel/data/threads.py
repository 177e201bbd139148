"""Work on arrays in several threads: numpy and Arrow let go of Python while they compute."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

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


def ahead(
    work: Callable[[In], Out], items: Iterable[In], begin: Callable[[], None] | None = None
) -> Iterator[Out]:
    """`work` of each item, in their order; the next one is done while one is used.

    `begin` is called once in the thread that works.
    """
    with ThreadPoolExecutor(1, initializer=begin) as worker:
        coming: Future[Out] | None = None
        for item in items:
            done, coming = coming, worker.submit(work, item)
            if done is not None:
                yield done.result()
        if coming is not None:
            yield coming.result()
