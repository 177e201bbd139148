"""The learner as its users see it: answers get better, state goes on, nothing tears."""

import threading

import numpy as np
import pytest
from streams import LAYOUT, WARM, experts, follow, learner_of, stream

from bigmodel.errors import UserError
from bigmodel.learning.arrays import digest
from bigmodel.learning.events import Events
from bigmodel.learning.learner import Learner
from bigmodel.learning.memo import Memos
from bigmodel.learning.settings import Learning


@pytest.mark.parametrize(("delay", "block"), [(0, 4), (16, 4), (64, 16)])
def test_it_follows_a_change_that_leaves_the_frozen_network_behind(delay, block):
    rows, labels = stream(900, turn=500)
    learner = learner_of()
    said = follow(learner, rows[WARM:], labels[WARM:], delay=delay, block=block)
    late = slice(800 - WARM, None)
    frozen = rows[800:, :3].argmax(axis=1)
    assert (said[late] == labels[800:]).mean() > 0.75
    assert (frozen == labels[800:]).mean() < 0.3


def test_before_a_change_it_is_no_worse_than_the_frozen_network(learner):
    rows, labels = stream(turn=10_000)
    said = follow(learner, rows[WARM:], labels[WARM:])
    frozen = rows[WARM:, :3].argmax(axis=1)
    assert (said == labels[WARM:]).mean() >= (frozen == labels[WARM:]).mean() - 0.005


def test_a_restored_learner_goes_on_bit_for_bit(learner):
    rows, labels = stream()
    follow(learner, rows[WARM:441], labels[WARM:441], block=7)
    again = Learner(learner.settings, LAYOUT, 3)
    again.load_state(learner.state())
    for one in (learner, again):
        follow(one, rows[441:620], labels[441:620], block=7)
    assert digest(learner.state()) == digest(again.state())
    assert learner.quality.figures() == again.quality.figures()


def test_settings_survive_json():
    settings = Learning(experts=experts(gone=None))
    again = Learning.from_json(settings.to_json())
    assert again.to_json() == settings.to_json()
    assert again.taken["mlp"] == settings.taken["mlp"]


def test_settings_that_name_another_class_are_refused():
    content = Learning(experts=experts()).to_json()
    content["experts"]["lin"] = {"kind": "Popen", "args": ["true"]}
    with pytest.raises(KeyError):
        Learning.from_json(content)


def test_the_frozen_network_has_to_be_there():
    with pytest.raises(UserError, match="frozen network is missing"):
        Learning(experts={"static": None, "last": experts()["last"]})


def test_a_label_is_learnt_with_what_was_known_when_its_row_was_answered(learner):
    rows, labels = stream()
    _, memos = learner.live.answer(rows[WARM : WARM + 1])
    known = learner.live.features(memos.rows, memos.seen).known
    follow(learner, rows[WARM + 1 : 300], labels[WARM + 1 : 300])
    later = learner.live.features(memos.rows, memos.seen).known
    np.testing.assert_array_equal(known, later)


def test_memos_survive_bytes_and_a_class_that_came_later(learner):
    rows, _ = stream()
    _, memos = learner.live.answer(rows[:5])
    again = Memos.unpacked(memos.packed(), len(experts()), 4, LAYOUT.width)
    np.testing.assert_array_equal(again.rows, memos.rows)
    np.testing.assert_allclose(again.votes[:, :, :3], memos.votes, atol=0.02, rtol=1e-3)
    assert (again.votes[:, :, 3] == -8).all()
    with pytest.raises(UserError, match="this model has rows of 9"):
        Memos.unpacked(memos.packed(), len(experts()), 3, 9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m, y: (m, y[:3]), "rows of shape"),
        (lambda m, y: (m._replace(rows=m.rows * np.nan), y), "not a finite number"),
        (lambda m, y: (m, y - 9), "class codes"),
        (lambda m, y: (m, y + 3), "class codes"),
        (lambda m, y: (m, y.astype(float)), "class codes"),
    ],
)
def test_wrong_events_change_nothing(learner, change, said):
    rows, labels = stream()
    _, memos = learner.live.answer(rows[:8])
    before = digest(learner.state())
    with pytest.raises(UserError, match=said):
        learner.block(Events(*change(memos, labels[:8])))
    assert digest(learner.state()) == before


def test_what_readers_see_is_never_torn(learner):
    rows, labels = stream()
    seen, wrong, stop = {}, [], threading.Event()

    def read():
        while not stop.is_set():
            live = learner.live
            answer = live.predict(rows[:4]).tobytes()
            if seen.setdefault(live, (live, answer))[1] != answer:
                wrong.append(live.version)

    readers = [threading.Thread(target=read) for _ in range(2)]
    Snapshot = type(learner.live)
    Snapshot.__hash__, before = (lambda self: id(self)), Snapshot.__hash__
    try:
        for reader in readers:
            reader.start()
        follow(learner, rows[WARM:500], labels[WARM:500], block=8)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
        Snapshot.__hash__ = before
    assert not wrong
    for live, answer in seen.values():  # and they are still what they were
        assert live.predict(rows[:4]).tobytes() == answer


@pytest.mark.parametrize("delay", [0, 48])
def test_what_is_told_of_the_quality_is_what_callers_were_told(delay):
    """Also where labels come late: the weights of now, which know them, would tell more."""
    rows, labels = stream(1200, turn=500)
    learner = learner_of()
    before = learner.quality.sums
    right = follow(learner, rows[WARM:], labels[WARM:], delay=delay) == labels[WARM:]
    hits, count, *_ = before[0], before[4]
    for hit in right[: len(right) // 16 * 16 - delay]:
        hits, count = 0.999 * hits + hit, 0.999 * count + 1
    figures = learner.quality.figures()
    assert figures["accuracy"] == pytest.approx(hits / count, abs=2e-3)  # it fades by blocks
