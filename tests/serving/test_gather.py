"""What comes within one turn of the loop is one run, and none of its requests suffers from it."""

import asyncio

import numpy as np
import pytest

from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import ApiError, invalid
from bigmodel.serving.gather import Gatherer
from bigmodel.serving.question import Question


def question(*rows, late=False):
    def still():
        if late:
            raise ApiError(503, "overloaded", "too late")

    return Question(rows, len(rows), still)


class Doubling:
    """Answers each row with its double, and remembers its runs; it takes no negative ones."""

    def __init__(self):
        self.runs = []

    def __call__(self, questions):
        rows = [row for one in questions for row in one.given]
        self.runs.append(rows)
        if min(rows) < 0:
            raise invalid("negative")
        return Answers([2 * row for row in rows], np.array(rows, dtype=float)[:, None], None)


def asked(gatherer, *questions):
    """Their answers, or their errors, when all come in the same turn."""

    async def ask():
        return await asyncio.gather(*map(answer, questions), return_exceptions=True)

    async def answer(one):
        return await gatherer.ask(one)

    found = asyncio.run(ask())
    return [one if isinstance(one, Exception) else one.predictions for one in found]


def test_what_comes_together_is_one_run_and_everybody_gets_his_own():
    run = Doubling()
    assert asked(Gatherer(run, 10), question(1, 2), question(3), question(4)) == [[2, 4], [6], [8]]
    assert run.runs == [[1, 2, 3, 4]]


def test_a_bad_row_spoils_only_its_own_request():
    first, bad, last = asked(Gatherer(Doubling(), 10), question(1), question(2, -1), question(3))
    assert (first, last) == ([2], [6])
    assert bad.status == 422


def test_who_is_too_late_is_told_and_costs_the_others_nothing():
    run = Doubling()
    late, good = asked(Gatherer(run, 10), question(1, late=True), question(2))
    assert late.status == 503
    assert good == [4]
    assert run.runs == [[2]]


@pytest.mark.parametrize(("most", "runs"), [(1, [[1, 2], [3], [4]]), (3, [[1, 2, 3], [4]])])
def test_a_run_has_so_many_rows_or_one_request(most, runs):
    run = Doubling()
    asked(Gatherer(run, most), question(1, 2), question(3), question(4))
    assert run.runs == runs
