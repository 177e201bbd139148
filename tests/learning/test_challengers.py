"""Challengers learn in the shadow; only one that is really better is called so."""

from importlib.util import find_spec

import numpy as np
import pytest
from streams import WARM, follow, learner_of, stream

from bigmodel.errors import UserError
from bigmodel.learning.arrays import digest
from bigmodel.learning.experts import RLS, SLDA, Frozen, LastLabel
from bigmodel.learning.lift import Lift
from bigmodel.learning.river import River
from bigmodel.learning.settings import Learning


def learner_with(**challengers):
    kinds = {"static": Frozen(), "last": LastLabel()}
    return learner_of(Learning(experts=kinds, lift=Lift(fourier=8), challengers=challengers))


def test_the_better_one_is_named_and_changes_nothing():
    rows, labels = stream(1000, turn=100)  # the frozen network is wrong from the start
    alone, watched = learner_with(), learner_with(lda=SLDA(), lin=RLS(inputs="raw"), same=Frozen())
    for learner in (alone, watched):
        follow(learner, rows[WARM:], labels[WARM:])
    assert digest(alone.state()) == digest(watched.state())
    scores = watched.challengers.scores
    assert scores["lda"].better
    assert scores["lda"].labels > 700
    assert not scores["same"].better


def test_what_is_no_classifier_of_river_is_refused():
    with pytest.raises(UserError, match=r"learning\.challengers"):
        learner_with(bad=River(model="os.system"))


@pytest.mark.skipif(find_spec("river") is None, reason="river is an extra")
def test_a_forest_of_river_challenges():
    rows, labels = stream(900, turn=100)
    learner = learner_with(arf=River(model="forest.ARFClassifier", settings={"seed": 1}))
    follow(learner, rows[WARM:], np.asarray(labels[WARM:]))
    assert learner.challengers.scores["arf"].gain > 0
