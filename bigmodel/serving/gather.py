"""Requests answered together: what comes within one turn of the event loop is one run.

Nothing waits for more to come. Encoding, network and postprocessing cost a run hardly more than a
row: with sixteen callers, each of them pays a part of it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import ApiError
from bigmodel.serving.question import Question
from bigmodel.serving.soon import Soon

Run = Callable[[Sequence[Question]], Answers]  # the answers to the rows of all, in their order


class _Waiting(NamedTuple):
    question: Question
    answers: Soon[Answers]


class Gatherer:
    """Asks `run` for the answers to several requests at once: up to `rows` rows, or one request.

    Used by one event loop, in which `run` does its work.
    """

    def __init__(self, run: Run, rows: int) -> None:
        self._run, self._rows = run, rows
        self._waiting: list[_Waiting] = []

    def ask(self, question: Question) -> Soon[Answers]:
        """The answers, or what `run` raises, in the next turn of the loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        answers: Soon[Answers] = Soon()
        self._waiting.append(_Waiting(question, answers))
        return answers

    def _turn(self) -> None:
        """All that has come, a run after the other: the loop finds nothing left of it.

        What waited longer would have to be counted as such, and be refused while it is not late.
        """
        taken, self._waiting = self._waiting, []
        for run in _runs(taken, self._rows):
            self._answer([one for one in run if _in_time(one)])

    def _answer(self, taken: list[_Waiting]) -> None:
        if not taken:
            return
        try:
            found = self._run([one.question for one in taken])
        except Exception as error:  # noqa: BLE001  whoever asked is told
            if len(taken) == 1:
                taken[0].answers.tell(error=error)
                return
            for one in taken:  # each on its own: no request fails for another's rows
                self._answer([one])
            return
        if len(taken) == 1:
            taken[0].answers.tell(found)
            return
        parts = found.parts(accumulate(one.question.size for one in taken))
        for one, part in zip(taken, parts, strict=True):
            one.answers.tell(part)


def _runs(waiting: Sequence[_Waiting], rows: int) -> Iterator[list[_Waiting]]:
    """In their order, as many at a time as have so many rows together; at least one."""
    run: list[_Waiting] = []
    size = 0
    for one in waiting:
        if run and size + one.question.size > rows:
            yield run
            run, size = [], 0
        run.append(one)
        size += one.question.size
    if run:
        yield run


def _in_time(one: _Waiting) -> bool:
    """Whether its caller still waits; else it is told that it is too late."""
    try:
        one.question.still()
    except ApiError as error:
        one.answers.tell(error=error)
        return False
    return True
