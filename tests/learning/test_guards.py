"""What may be learnt and published: sources, rare rows, labels to judge by."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import LAYOUT, WARM, follow, learner_of, stream

from bigmodel.learning.adwin import Adwin
from bigmodel.learning.anchor import Anchor
from bigmodel.learning.calibration import Calibration
from bigmodel.learning.events import Events
from bigmodel.learning.experts import RLS, Frozen
from bigmodel.learning.gaussian import GaussianMixer
from bigmodel.learning.layout import Layout
from bigmodel.learning.learner import Learner
from bigmodel.learning.lift import Lift
from bigmodel.learning.mixer import Mixer
from bigmodel.learning.quarantine import Quarantine
from bigmodel.learning.settings import Drift, Guard, Learning
from bigmodel.learning.source_cap import SourceCap

LINEAR = {"static": Frozen(), "lin": RLS(inputs="raw", forget_rate=0.99)}


def guarded(**guard):
    off = {"cap": None, "anchor": None, "quarantine": None}
    settings = Learning(experts=LINEAR, lift=Lift(fourier=8), guard=Guard(**(off | guard)))
    return learner_of(settings)


@settings(deadline=None, max_examples=30)
@given(honest=st.integers(1, 60), hostile=st.floats(0, 0.7), seed=st.integers(0, 99))
def test_a_source_has_at_most_its_share_and_honest_ones_are_hardly_limited(honest, hostile, seed):
    cap, rng = SourceCap(), np.random.default_rng(seed)
    accepted = {True: 0, False: 0}
    came = {True: 0, False: 0}
    for _ in range(2000):
        bad = bool(rng.random() < hostile)
        source = "hostile" if bad else f"honest {rng.integers(honest)}"
        came[bad] += 1
        accepted[bad] += cap.takes(source)
    share = accepted[True] / max(1, sum(accepted.values()))
    assert share <= max(0.08, 2 / (honest + 1)) + 0.1  # a little more before all are known
    assert accepted[False] >= 0.9 * came[False]


def test_a_single_source_is_not_limited():
    cap = SourceCap()
    assert all(cap.takes("the only one") for _ in range(500))


def test_poison_of_one_source_costs_little_with_the_cap():
    rows, labels = stream(1500, turn=5000)
    rng = np.random.default_rng(1)
    wrong = rng.random(1500) < 0.6
    told = np.where(wrong, (labels + 1) % 3, labels)
    who = np.where(wrong, "hostile", [f"honest {n}" for n in rng.integers(0, 40, 1500)])
    found = {}
    for name, learner in {"none": guarded(), "cap": guarded(cap=SourceCap())}.items():
        said = follow(learner, rows[WARM:], told[WARM:], sources=tuple(who[WARM:].tolist()))
        # the frozen network is right, so it is the linear expert that shows what was learnt
        votes = learner.live.answer(rows[-300:])[1].votes[:, 1]
        found[name] = (votes.argmax(axis=1) == labels[-300:]).mean()
        assert len(said) == 1300
    assert found["none"] < 0.5
    assert found["cap"] > 0.65


def test_a_version_that_does_worse_on_the_anchor_is_not_published():
    learner = guarded(anchor=Anchor(ring=100, fraction=0.0, patience=10_000))
    rows, labels = stream(900, turn=5000)
    audited = np.zeros(16, dtype=bool)
    audited[:4] = True
    reports = []
    for start in range(WARM, 880, 16):
        poison = start > 500
        told = labels[start : start + 16].copy()
        told[4:] = (told[4:] + poison) % 3
        _, memos = learner.live.answer(rows[start : start + 16])
        reports.append(learner.block(Events(memos, told, None, audited)))
    assert all(report.anchored == 4 for report in reports)
    assert sum(report.vetoed for report in reports[-20:]) >= 5
    votes = learner.live.answer(rows[500:])[1].votes[:, 1]
    assert (votes.argmax(axis=1) == labels[500:]).mean() > 0.6


def test_a_veto_expires_when_the_world_has_changed():
    good, bad = np.concatenate([np.full(50, 0.1), np.full(50, 3.0)]), np.full(100, 1.8)
    rows, labels = np.zeros((100, 2), np.float32), np.zeros(100)
    anchor = Anchor(patience=5).added(rows, labels)
    passed = []
    for _ in range(5):
        anchor, passes = anchor.judged(lambda r, y: bad[-len(y) :], lambda r, y: good[-len(y) :])
        passed.append(passes)
    assert passed == [False] * 4 + [True]
    assert len(anchor.labels) == 50
    steady = Anchor(patience=5).added(rows, labels)
    for _ in range(50):  # nothing has changed: it is the labels that are wrong
        steady, passes = steady.judged(lambda r, y: bad, lambda r, y: np.full(100, 1.5))
        assert not passes


def test_far_rows_are_set_aside_while_they_are_rare():
    quarantine = Quarantine()
    beyond = np.ones(100)
    beyond[7] = 50
    assert (~quarantine.passes(beyond, np.zeros(100))).nonzero()[0].tolist() == [7]
    for _ in range(20):
        passed = quarantine.passes(np.full(50, 9.0), np.zeros(50))
    assert passed.all()


def test_without_sources_nothing_is_held_back(learner):
    rows, labels = stream()
    _, memos = learner.live.answer(rows[WARM : WARM + 16])
    report = learner.block(Events(memos, labels[WARM : WARM + 16]))
    assert report.learnt + sum(report.refused.values()) == 16


@pytest.mark.parametrize("seed", range(3))
def test_adwin_sees_a_change_and_no_change(seed):
    rng = np.random.default_rng(seed)
    steady, changed = Adwin(), Adwin()
    assert not any(steady.extend(rng.random(1) < 0.2) for _ in range(3000))
    alarms = [i for i in range(3000) if changed.extend(rng.random(1) < (0.2, 0.5)[i > 1500])]
    assert alarms
    assert 1500 < alarms[0] < 1800
    again = Adwin()
    again.load_state(changed.state())
    assert again.state().tobytes() == changed.state().tobytes()


def test_a_fall_of_errors_is_no_alarm_for_the_learner():
    adwin = Adwin()
    rises = [adwin.extend(np.full(8, i < 60)) for i in range(120)]
    assert min(rises) < 0
    assert max(rises) == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(2, 6), st.integers(0, 99))
def test_the_mixture_is_a_distribution_and_follows_who_is_right(experts, n, classes, seed):
    rng = np.random.default_rng(seed)
    mixer = Mixer().started(experts + 1)
    labels = rng.integers(0, classes, n)
    votes = np.log(rng.dirichlet(np.ones(classes), (experts + 1, n)))
    votes[0] = np.log(0.9 * np.eye(classes)[labels] + 0.1 / classes)
    for _ in range(40):
        both = np.stack(mixer.both(votes))
        mixer = mixer.learned(votes, (both.argmax(axis=2) != labels).sum(axis=1), labels)
        np.testing.assert_allclose(np.exp(mixer.answer(votes)).sum(axis=1), 1.0)
    gains = np.maximum(votes[:, np.arange(n), labels], -8).sum(axis=1)
    if np.sort(gains)[-1] - np.sort(gains)[-2] > 1.0:
        assert np.exp(mixer.v).argmax() == gains.argmax()


def test_calibration_softens_what_is_too_sure():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3000)
    said = np.where(rng.random(3000) < 0.7, labels, 1 - labels)  # right in 70 of 100
    sure = np.log(np.where(np.arange(2) == said[:, None], 0.999, 0.001))
    calibration = Calibration()
    for start in range(0, 3000, 16):
        part = slice(start, start + 16)
        calibration = calibration.learned(sure[part], calibration.answer(sure[part]), labels[part])
    assert abs(np.exp(calibration.answer(sure)).max() - 0.7) < 0.08


def test_a_regression_follows_a_change():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((900, 3)).astype(np.float32)
    y = X[:, 0] - X[:, 1] + 0.1 * rng.standard_normal(900)
    rows = np.concatenate([y[:, None], X], axis=1).astype(np.float32)
    y[400:] = 1.0 - y[400:]
    mixed = Learning(experts=LINEAR, lift=Lift(fourier=8), mixer=GaussianMixer())
    learner = learner_of(mixed, Layout(1, 0, 3, "regression"), 0, rows[:200], y[:200])
    said = follow(learner, rows[200:], y[200:])
    assert np.sqrt(((said[:200] - y[200:400]) ** 2).mean()) < 0.2
    assert np.sqrt(((said[500:] - y[700:]) ** 2).mean()) < 0.4
    again = Learner(mixed, learner.layout, 0)
    again.load_state(learner.state())
    assert (again.live.predict(rows) == learner.live.predict(rows)).all()
    assert LAYOUT.task == "classification"


def test_a_jump_of_the_values_is_noticed_and_makes_the_experts_forget():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 3)).astype(np.float32)
    y = 0.9 * X[:, 0] + 0.3 * X[:, 1] + np.where(np.arange(1000) < 600, 0.0, 2.0)
    frozen = 0.9 * X[:, :1] + 0.3 * X[:, 1:2]
    rows = np.concatenate([frozen, X], axis=1).astype(np.float32)
    after = {}
    for name, drift in (("noticed", Drift()), ("not", None)):
        kinds = Learning(experts=LINEAR, lift=Lift(fourier=8), mixer=GaussianMixer(), drift=drift)
        learner = learner_of(kinds, Layout(1, 0, 3, "regression"), 0, rows[:300], y[:300])
        errors = follow(learner, rows[300:], y[300:]) - y[300:]
        after[name] = np.sqrt((errors[400:500] ** 2).mean())  # 100 rows after it
    assert after["noticed"] < after["not"] / 2
