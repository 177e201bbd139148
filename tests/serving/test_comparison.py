"""When one version is called worse than another: not by chance, and soon when it is so."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging import SOUND, Processes

from bigmodel.serving.settings import Rollback
from bigmodel.serving.traffic.betting import Bet, Wealth
from bigmodel.serving.traffic.evidence import Evidence, means
from bigmodel.serving.traffic.sticky import place_of

LIMITS = Rollback(0.01, 0.1, 0.3, 0.02, trial=5000, false_alarms=0.04)


@pytest.mark.parametrize("processes", [1, 3])
def test_of_a_hundred_canaries_that_are_the_same_almost_none_is_called_worse(processes):
    alarms = [Processes(LIMITS, processes).traffic(SOUND, 2000, seed) for seed in range(100)]
    assert sum(found is not None for found in alarms) < 5


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize(
    ("worse", "within"),
    [
        ({"error": 1.0}, 300),
        ({"error": 0.3}, 1000),
        ({"slow": 0.9}, 500),
        ({"wrong": 0.6}, 1500),
        ({"differ": 0.9}, 200),
    ],
)
def test_a_worse_canary_is_found_soon(worse, within, processes):
    for seed in range(10):
        together = Processes(LIMITS, processes)
        found = together.traffic({**SOUND, **worse}, within, seed)
        assert found is not None
        together.settle()
        for comparison in together.all:  # each of them knows
            told = comparison.told()
            assert told["worse_by"] in comparison.reason(told["worse_by"])
            assert told["criteria"][told["worse_by"]]["evidence"] == 1.0


def test_what_several_have_seen_decides_where_no_one_of_them_has_seen_enough():
    together = Processes(LIMITS, 2)
    for comparison in together.all:
        for _ in range(8):
            comparison.answered("old", error=False)
            comparison.answered("new", error=True)
        assert not comparison.pressing
    first, second = together.all
    together.settle(first)
    assert first.verdict is None
    together.settle(second)
    assert second.verdict == "errors"
    together.settle(first)
    assert first.told() == second.told()
    assert first.told()["criteria"]["errors"]["count"] == 16


def test_what_did_not_get_to_the_others_is_told_again():
    together = Processes(LIMITS)
    (comparison,) = together.all
    for _ in range(20):
        comparison.answered("old", error=False)
        comparison.answered("new", error=True)
    comparison.put_back(comparison.take())
    assert comparison.pressing
    assert comparison.verdict is None  # nobody else knows
    together.settle()
    assert comparison.verdict == "errors"
    assert comparison.requests == 20


@pytest.mark.parametrize(("wrong", "called"), [(0.12, False), (0.5, True)])
def test_a_promoted_version_is_compared_with_the_time_before(wrong, called):
    before, chance = means(), random.Random(0)
    for _ in range(1000):
        before["errors"].add(0.0)
        before["loss"].add(float(chance.random() < 0.1))
    together = Processes(LIMITS, before=before)
    (comparison,) = together.all
    for _ in range(1000):
        comparison.answered("new", error=False)
        comparison.labelled("new", float(chance.random() < wrong))
    together.settle()
    assert (comparison.verdict == "loss") == called


def test_of_the_time_before_the_first_one_that_tells_of_it_is_right():
    before = means()
    before["errors"].add(0.0)
    together = Processes(LIMITS, before=before)
    together.settle()
    late = Processes(LIMITS, before=means())  # was started after the promotion
    late.known = together.known
    late.settle()
    assert late.all[0].reference["errors"].count == 1


def test_without_a_time_before_most_requests_have_to_fail():
    together = Processes(LIMITS, before=means())
    (comparison,) = together.all
    for _ in range(50):
        comparison.answered("new", error=True)
        comparison.labelled("new", 1.0)  # nothing to compare it with
    together.settle()
    assert comparison.verdict == "errors"
    assert comparison.told()["criteria"]["loss"]["evidence"] == 0


def test_evidence_is_the_same_after_it_was_stored():
    together = Processes(LIMITS, before=means())
    together.traffic(SOUND, 300, 0)
    together.settle()
    assert Evidence.from_json(together.known.to_json()) == together.known


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=200),
    st.floats(0, 1),
)
@settings(max_examples=100, deadline=None)
def test_no_values_break_a_bet_and_better_ones_decide_nothing(values, margin):
    bet = Bet(0.01, margin)
    for judged, value in values:
        (bet.judged if judged else bet.reference)(value / 2 if judged else 0.5 + value / 2)
    bet.adopt(Wealth().plus(bet.take()))
    assert 0 <= bet.evidence <= 1
    assert not bet.decided


def test_a_canary_has_its_share_of_the_callers_and_keeps_them():
    places = {key: place_of("wine", f"caller-{key}".encode()) for key in range(10_000)}
    shares = {percent: {k for k, place in places.items() if 100 * place < percent}
              for percent in (1, 10, 50)}  # fmt: skip
    assert 900 <= len(shares[10]) <= 1100
    assert shares[1] < shares[10] < shares[50]
    assert places == {key: place_of("wine", f"caller-{key}".encode()) for key in range(10_000)}
    others = {key for key in places if place_of("beer", f"caller-{key}".encode()) < 0.1}
    assert 0.05 < len(others & shares[10]) / len(others) < 0.15  # another tenth
