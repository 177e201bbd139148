"""Classes that come while it serves: few labels make none, enough do, and every bit is kept."""

import numpy as np
from streams import LAYOUT, WARM, experts, follow, learner_of, stream

from bigmodel.learning.arrays import digest
from bigmodel.learning.events import Events
from bigmodel.learning.experts import RLS, SGD, Frozen, WindowKNN
from bigmodel.learning.journal.keeper import Keeper, Log
from bigmodel.learning.journal.store import Event
from bigmodel.learning.learner import Learner
from bigmodel.learning.lift import Lift
from bigmodel.learning.newcomers import NewClasses
from bigmodel.learning.settings import Learning

ROWS, LABELS = stream(600, turn=10_000)
FEW = {"static": Frozen(), "lin": RLS(inputs="raw"), "sgd": SGD(), "knn": WindowKNN(window=200)}


def growing(most, rows, kinds=FEW):
    limits = NewClasses(most=most, rows=rows)
    return learner_of(Learning(experts=kinds, lift=Lift(fourier=8), new_classes=limits))


def tell(learner, start, names):
    """Rows from `start` on, whose labels are the names ("": as the stream has them)."""
    part = slice(start, start + len(names))
    _, memos = learner.live.answer(ROWS[part])
    codes = np.where([bool(name) for name in names], -1, LABELS[part])
    return learner.block(Events(memos, codes, names=tuple(names)))


def test_a_new_class_is_learnt_by_every_expert_while_it_serves():
    learner = growing(2, 8, experts())
    rows, labels = stream(turn=10_000)
    late = rows[:, -1] > 0.7
    names, codes = tuple(np.where(late, "late", "").tolist()), np.where(late, -1, labels)
    said = follow(learner, rows[WARM:], codes[WARM:], names=names[WARM:])
    assert learner.live.added == ("late",)
    assert (said[900 - WARM :][late[900:]] == 3).mean() > 0.6
    assert (said[900 - WARM :][~late[900:]] == labels[900:][~late[900:]]).mean() > 0.6
    np.testing.assert_allclose(np.exp(learner.live.predict(rows[:3])).sum(axis=1), 1.0)


def test_a_few_labels_of_a_name_make_no_class():
    learner = growing(2, 5)
    report = tell(learner, WARM, ["", "oops", "", "oops", "typo"])
    assert (report.learnt, report.held, report.added) == (2, 3, ())
    assert learner.live.predict(ROWS[:2]).shape == (2, 3)
    assert learner.newcomers.counts == {"oops": 2, "typo": 1}
    report = tell(learner, WARM + 10, ["oops"] * 3)
    assert (report.learnt, report.added) == (5, ("oops",))
    assert learner.newcomers.counts == {"typo": 1}
    assert tell(learner, WARM + 20, ["oops"]).learnt == 1


def test_there_is_room_for_so_many_and_no_more():
    learner = growing(1, 2)
    assert tell(learner, WARM, ["a", "a", "b"]).added == ("a",)
    assert learner.newcomers.counts == {}
    assert tell(learner, WARM + 10, ["b", "b", "b"]).added == ()
    assert learner.live.added == ("a",)
    closed = growing(0, 1)
    assert (tell(closed, WARM, ["a"]).held, closed.live.added) == (1, ())


def test_names_that_never_stop_coming_are_forgotten_in_turn():
    learner = growing(4, 2)
    for start in range(0, 300, 50):
        tell(learner, WARM, [f"junk {start + index}" for index in range(50)])
    waiting = learner.newcomers.counts
    assert len(waiting) == 64
    assert "junk 299" in waiting


def test_a_restored_learner_goes_on_bit_for_bit_before_and_after():
    learner = growing(2, 4)
    for start, names in ((WARM, ["a"] * 3), (WARM + 10, ["a", "b", "", ""])):
        tell(learner, start, names)
        again = Learner(learner.settings, LAYOUT, 3)
        again.load_state(learner.state())
        for one in (learner, again):
            tell(one, WARM + 20, ["b", "a", "", ""])
        assert digest(learner.state()) == digest(again.state())
        assert again.live.added == learner.live.added


def keeper_at(place):
    return Keeper(growing(2, 4), place, "model-1", Log(snapshot_every=3))


def append(keeper, start, names):
    _, memos = keeper.live.answer(ROWS[start : start + len(names)])
    several = zip(memos.packed(), names, strict=True)
    keeper.append(
        [
            Event(f"{start}-{index}", memo, -1 if name else 1, name=name)
            for index, (memo, name) in enumerate(several)
        ]
    )
    return keeper.step(64)


def test_the_log_has_the_names_and_rollback_goes_to_before_them(tmp_path):
    keeper = keeper_at(tmp_path)
    for block in range(4):
        append(keeper, WARM + 10 * block, ["late", "", "late"])
    assert keeper.live.added == ("late",)
    for version in keeper.journal.versions():
        keeper.rebuild(version.version)
        assert keeper.learner.live.added == (() if version.version < 2 else ("late",))
    again = keeper_at(tmp_path)
    assert again.live.added == ("late",)
    again.rollback(1)
    assert again.live.added == ()
    assert again.live.predict(ROWS[:1]).shape == (1, 3)
    assert again.learner.newcomers.counts == {"late": 2}
    assert append(again, WARM + 60, ["late", ""]).added == ()
    assert append(again, WARM + 70, ["late"]).added == ("late",)
    assert digest(keeper_at(tmp_path).learner.state()) == digest(again.learner.state())
