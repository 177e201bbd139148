"""When one version is called worse than another: not by chance, and soon when it is so."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigmodel.serving.settings import Rollback
from bigmodel.serving.traffic.betting import Bet
from bigmodel.serving.traffic.comparison import Comparison, means
from bigmodel.serving.traffic.sticky import place_of

LIMITS = Rollback(0.01, 0.1, 0.3, 0.02, trial=5000, false_alarms=0.04)
SOUND = {"error": 0.001, "slow": 0.05, "wrong": 0.1, "differ": 0.1}


def run(comparison: Comparison, canary: dict, requests: int, seed: int) -> int | None:
    """Traffic with a tenth for the canary; after how many requests it is called worse."""
    chance = random.Random(seed)
    for number in range(1, requests + 1):
        judged = chance.random() < 0.1
        of = canary if judged else SOUND
        version = comparison.versions[0 if judged else 1]
        error = chance.random() < of["error"]
        comparison.answered(version, error=error, slow=chance.random() < of["slow"])
        if chance.random() < 0.3:
            comparison.disagreed(float(chance.random() < canary["differ"]))
        if chance.random() < 0.5:
            comparison.labelled(version, float(chance.random() < of["wrong"]))
        if comparison.verdict:
            return number
    return None


def test_of_a_hundred_canaries_that_are_the_same_almost_none_is_called_worse():
    alarms = [run(Comparison("new", "old", LIMITS), SOUND, 4000, seed) for seed in range(100)]
    assert sum(found is not None for found in alarms) < 5


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
def test_a_worse_canary_is_found_soon(worse, within):
    for seed in range(20):
        comparison = Comparison("new", "old", LIMITS)
        found = run(comparison, {**SOUND, **worse}, within, seed)
        assert found is not None
        told = comparison.told()
        assert told["worse_by"] in comparison.reason(told["worse_by"])
        assert told["criteria"][told["worse_by"]]["evidence"] == 1.0


@pytest.mark.parametrize(("wrong", "called"), [(0.12, False), (0.5, True)])
def test_a_promoted_version_is_compared_with_the_time_before(wrong, called):
    before, chance = means(), random.Random(0)
    for _ in range(1000):
        before["errors"].add(0.0)
        before["loss"].add(float(chance.random() < 0.1))
    comparison = Comparison("new", "old", LIMITS, before)
    for _ in range(1000):
        comparison.answered("new", error=False)
        comparison.labelled("new", float(chance.random() < wrong))
    assert (comparison.verdict == "loss") == called


def test_without_a_time_before_most_requests_have_to_fail():
    comparison = Comparison("new", "old", LIMITS, means())
    for _ in range(50):
        comparison.answered("new", error=True)
        comparison.labelled("new", 1.0)  # nothing to compare it with
    assert comparison.verdict == "errors"
    assert comparison.told()["criteria"]["loss"]["evidence"] == 0


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=200),
    st.floats(0, 1),
)
@settings(max_examples=100, deadline=None)
def test_no_values_break_a_bet_and_better_ones_decide_nothing(values, margin):
    bet = Bet(0.01, margin)
    for judged, value in values:
        (bet.judged if judged else bet.reference)(value / 2 if judged else 0.5 + value / 2)
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
