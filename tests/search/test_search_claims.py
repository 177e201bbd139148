"""Who gets which trial: after kills, at rungs, with several workers; and the journal itself."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from optuna.trial import TrialState

from bigmodel.search.claims import MOST_LIVES, Claim, Desk
from bigmodel.search.owner import Owner, alive
from bigmodel.search.record import LIVES, OWNER, WAITS, Record, status
from bigmodel.search.rungs import Rungs
from bigmodel.search.samplers import TPE, CmaEs, Grid, Random
from bigmodel.search.space import Parameter, Space
from bigmodel.search.storage import JOURNAL

SPACE = Space((Parameter("x", "x", high=1.0), Parameter("c", "c", choices=("a", "b"))))


def desk(place: Path, url: str | None = None, n_trials: int = 4, **other) -> Desk:
    sampler = other.pop("sampler", Random())
    first = other.pop("first", sampler.first(SPACE, {"x": 0.5, "c": "a"}, 0))
    return Desk(
        Record(place, url, "study", ["max"]), SPACE, sampler, first, n_trials, 0,
        other.pop("rungs", None), 1, "epochs",
    )  # fmt: skip


def complete(at: Desk, claim: Claim, value: float) -> None:
    at.record.finish(claim.number, TrialState.COMPLETE, {}, [value])


STORAGES = [None, "sqlite:///{}/study.db"]


@pytest.fixture(params=STORAGES, ids=["journal", "sqlite"])
def url(request, tmp_path) -> str | None:
    return request.param and request.param.format(tmp_path)


def test_there_are_as_many_trials_as_asked_for_with_the_default_first(tmp_path, url):
    at, found = desk(tmp_path, url), []
    while isinstance(claim := at.claim("me"), Claim):
        complete(at, claim, 0.1)
        found.append(claim)
    assert [claim.number for claim in found] == [0, 1, 2, 3]
    assert found[0].params == {"x": 0.5, "c": "a"}
    assert len({claim.params["x"] for claim in found}) == 4
    assert claim is None
    more = desk(tmp_path, url, n_trials=5)
    assert more.claim("me").number == 4


def test_a_search_that_goes_on_draws_what_it_would_have_drawn(tmp_path):
    whole = desk(tmp_path / "whole")
    drawn = []
    for _ in range(4):
        claim = whole.claim("me")
        complete(whole, claim, 0.1)
        drawn.append(claim)
    for number in range(4):
        again = desk(tmp_path / "parts")  # a new process each time
        claim = again.claim("me")
        assert claim == drawn[number]
        complete(again, claim, 0.1)


WORKER = """
    import sys, time
    sys.path.insert(0, {here!r})
    from test_search_claims import desk
    from bigmodel.search.owner import Owner
    from pathlib import Path
    at = desk(Path({place!r}), {url!r})
    print(at.claim(Owner(at.record.place).name), flush=True)
    time.sleep(60)
"""


def killed_worker(place: Path, url: str | None) -> str:
    """A real process takes a trial and is killed; what it had."""
    here = str(Path(__file__).parent)
    code = textwrap.dedent(WORKER).format(here=here, place=str(place), url=url)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    had = process.stdout.readline().strip()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return had


def test_the_trial_of_a_killed_worker_goes_to_the_next_one(tmp_path, url):
    had = killed_worker(tmp_path, url)
    assert str(desk(tmp_path, url).claim("me")) == had


def test_the_trial_of_a_living_worker_is_not_taken(tmp_path, url):
    first, second = Owner(tmp_path), Owner(tmp_path)
    one = desk(tmp_path, url, n_trials=1).claim(first.name)
    other = desk(tmp_path, url, n_trials=1)
    assert other.claim(second.name) == "wait"
    first.leave()
    assert not alive(tmp_path, first.name)
    assert other.claim(second.name) == one


def test_a_trial_that_kills_its_workers_is_lost_and_replaced(tmp_path):
    at = desk(tmp_path, n_trials=2, sampler=Grid(points=2))
    poison = at.claim("gone")
    for _ in range(MOST_LIVES - 1):
        assert at.claim("gone") == poison
    assert at.record.trial(0).user_attrs[LIVES] == MOST_LIVES - 1
    again = at.claim("gone")
    assert again.number == 1
    assert again.params == poison.params  # of a grid, no point is left out
    assert status(at.record.trial(0)) == "lost"
    complete(at, again, 0.1)
    complete(at, at.claim("gone"), 0.1)
    assert at.claim("gone") is None
    assert len(at.record.trials()) == 3


def test_a_worker_killed_before_it_wrote_its_name_leaves_nothing_behind(tmp_path, url):
    at = desk(tmp_path, url)
    at.record.study().ask()
    at.record.study().enqueue_trial({"x": 0.25, "c": "b"})
    assert at.claim("gone").number == 0
    complete(at, at.claim("gone"), 0.1)
    assert at.claim("gone").params == {"x": 0.25, "c": "b"}
    assert len(at.record.trials()) == 2


def test_who_waits_is_woken_when_others_turn_out_worse(tmp_path):
    at = desk(tmp_path, n_trials=6, rungs=Rungs())
    values = [0.9, 0.8, 0.1, 0.1, 0.1, 0.1]
    for number, value in enumerate(values):
        claim = at.claim("me")
        assert claim.number == number
        at.record.report(number, 3, value)
        if at.may_go_on(number, 3):
            complete(at, claim, value)
        else:
            at.record.note(number, {WAITS: 3, OWNER: None})
    assert [status(t) for t in at.record.trials()] == ["complete"] + ["waiting"] * 5
    assert at.claim("me").number == 1  # six have been there: two may go on
    complete(at, Claim(1, {}), 0.8)
    assert at.claim("me") is None
    at.close()
    assert [status(t) for t in at.record.trials()] == ["complete"] * 2 + ["pruned"] * 4


def test_what_waits_counts_as_pruned_for_the_sampler(tmp_path):
    at = desk(tmp_path, n_trials=9, rungs=Rungs())
    for value in (0.9, 0.4, 0.3, 0.2):
        claim = at.claim("me")
        at.record.report(claim.number, 3, value)
        if value < 0.9:
            at.record.note(claim.number, {WAITS: 3, OWNER: None})
        else:
            complete(at, claim, value)
    seen = at.record.study()._get_trials(states=(TrialState.PRUNED,))
    assert [trial.value for trial in seen] == [0.4, 0.3, 0.2]
    assert [status(t) for t in at.record.trials()] == ["complete"] + ["waiting"] * 3


@pytest.mark.parametrize("sampler", [TPE(startup=2), CmaEs(), Random()])
def test_every_sampler_draws_within_the_space(tmp_path, sampler):
    at = desk(tmp_path, n_trials=8, sampler=sampler)
    while isinstance(claim := at.claim("me"), Claim):
        assert 0 <= claim.params["x"] <= 1
        assert claim.params["c"] in ("a", "b")
        complete(at, claim, claim.params["x"])
    assert len(at.record.trials()) == 8


def test_a_line_cut_in_half_is_mended_and_nothing_before_it_is_lost(tmp_path):
    at = desk(tmp_path)
    complete(at, at.claim("me"), 0.1)
    whole = (tmp_path / JOURNAL).read_bytes()
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(whole.splitlines()[-1][:20])  # of a writer that was killed
    again = desk(tmp_path)
    complete(again, again.claim("me"), 0.2)
    assert (tmp_path / JOURNAL).read_bytes().startswith(whole)
    assert [trial.value for trial in desk(tmp_path).record.trials()] == [0.1, 0.2]
