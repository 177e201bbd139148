"""Challengers learn in the shadow; one that is really better joins the experts."""

from importlib.util import find_spec

import numpy as np
import pytest
from streams import WARM, follow, learner_of, stream

from bigmodel.errors import UserError
from bigmodel.learning.arrays import digest
from bigmodel.learning.experts import RLS, SLDA, Frozen, LastLabel
from bigmodel.learning.journal.keeper import Keeper, Log
from bigmodel.learning.journal.store import Event
from bigmodel.learning.learner import Learner
from bigmodel.learning.lift import Lift
from bigmodel.learning.river import River
from bigmodel.learning.settings import Learning


def learner_with(**challengers):
    kinds = {"static": Frozen(), "last": LastLabel()}
    return learner_of(Learning(experts=kinds, lift=Lift(fourier=8), challengers=challengers))


def test_until_it_is_really_better_it_changes_no_answer():
    rows, labels = stream(900, turn=100)  # the frozen network is wrong from the start
    alone, watched = learner_with(), learner_with(quick=RLS(forget_rate=0.98), same=Frozen())
    few = slice(WARM, WARM + 400)
    for learner in (alone, watched):
        follow(learner, rows[few], labels[few])
    assert watched.live.names == ("static", "last")
    answers = [one.live.predict(rows[-50:]).tobytes() for one in (alone, watched)]
    assert answers[0] == answers[1]
    assert watched.challengers.scores["quick"].gain > 0.1


def test_the_better_one_joins_and_is_believed():
    rows, labels = stream(1300, turn=100)
    alone, watched = learner_with(), learner_with(quick=RLS(forget_rate=0.98), same=Frozen())
    hits = [follow(one, rows[WARM:], labels[WARM:]) == labels[WARM:]
            for one in (alone, watched)]  # fmt: skip
    assert watched.live.names == ("static", "last", "quick")
    assert list(watched.challengers.figures()) == ["same"]
    late = slice(-300, None)
    assert hits[1][late].mean() > hits[0][late].mean() + 0.1


def test_a_log_with_one_that_joined_is_rebuilt_bit_for_bit(tmp_path):
    """From its first label, from a state file, and back to before it was there."""
    rows, labels = stream(1000, turn=100)
    start = learner_with(quick=RLS(forget_rate=0.98), slow=SLDA())
    settings, layout, state = start.settings, start.layout, start.state()

    def keeper(every):
        learner = Learner(settings, layout, 3)
        learner.load_state(state)
        return Keeper(learner, tmp_path / "log", "model", Log(snapshot_every=every))

    kept, before = keeper(7), None
    for row in range(WARM, 996, 16):
        _, memos = kept.live.answer(rows[row : row + 16])
        told = zip(memos.packed(), labels[row : row + 16].tolist(), strict=True)
        kept.append([Event(f"{row}-{i}", memo, label) for i, (memo, label) in enumerate(told)])
        report = kept.step(16)
        before = kept.live.version - 1 if report.joined else before
    assert before is not None
    assert "quick" in kept.live.names
    now = digest(kept.learner.state())
    assert digest(keeper(7).learner.state()) == now  # raises where bits differ
    for file in (tmp_path / "log" / "snapshots").iterdir():
        file.unlink()
    again = keeper(10**6)
    assert digest(again.learner.state()) == now
    again.rollback(before)
    assert again.live.names == ("static", "last")
    assert "quick" in again.learner.challengers.figures()


def test_what_is_no_classifier_of_river_is_refused():
    with pytest.raises(UserError, match=r"learning\.challengers"):
        learner_with(bad=River(model="os.system"))


@pytest.mark.skipif(find_spec("river") is None, reason="river is an extra")
def test_a_forest_of_river_challenges_and_never_joins():
    rows, labels = stream(1100, turn=100)
    learner = learner_with(arf=River(model="forest.ARFClassifier", settings={"seed": 1}))
    follow(learner, rows[WARM:], np.asarray(labels[WARM:]))
    assert learner.challengers.scores["arf"].better
    assert learner.live.names == ("static", "last")
