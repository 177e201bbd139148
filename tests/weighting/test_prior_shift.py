"""Class shares: those of training, those that answers stand for, and those that are expected."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_wine

import bigmodel
from bigmodel import cli
from bigmodel.bundle.postprocess import Postprocess
from bigmodel.data.schema import Target
from bigmodel.errors import UserError
from bigmodel.weighting.class_weights import Inverse
from bigmodel.weighting.logits import LogitAdjust
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.posthoc import PostHoc, macro_f1
from bigmodel.weighting.rows import Rows
from bigmodel.weighting.sampling import Sampler
from bigmodel.weighting.schedule import Deferred
from bigmodel.weighting.stages import CRT
from bigmodel.weighting.value import ValueColumn

VALUES = {"v": np.repeat([1.0, 3.0], [9, 1])}
ROWS = Rows(np.repeat([0, 1], [9, 1]), ("a", "b"), np.arange(10), VALUES)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (Plan(), [0.9, 0.1]),
        (Inverse().fit(ROWS), [0.5, 0.5]),
        (LogitAdjust().fit(ROWS), [0.5, 0.5]),
        (LogitAdjust(tau=0.5).fit(ROWS), [0.75, 0.25]),  # 3 : 1, the roots of 9 : 1
        (Sampler().fit(ROWS), [0.5, 0.5]),
        (Sampler(draw="sqrt").fit(ROWS), [0.75, 0.25]),
        (Sampler(draw="progressive").fit(ROWS), [0.5, 0.5]),  # where it ends
        (Deferred(of=Inverse()).fit(ROWS), [0.5, 0.5]),
        (CRT().fit(ROWS), [0.5, 0.5]),
        (ValueColumn(column="v").fit(ROWS), [0.75, 0.25]),  # a row of "b" is worth three
    ],
)
def test_the_shares_that_the_answers_stand_for(plan, expected):
    assert plan.prior(ROWS).tolist() == pytest.approx(expected)


def test_a_number_has_no_shares():
    assert Plan().prior(Rows(np.array([0.5, 1.0]), (), np.arange(2))) is None


@given(st.floats(-5, 5), st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.2, 5))
def test_a_probability_is_multiplied_by_the_new_share_over_the_old(z, old, new, temperature):
    target = Target("y", "binary", "str", ("a", "b"))
    post = Postprocess(target, temperature, offset=(0.5, 0.0), prior=(old, 1 - old))
    logits = np.array([[z, 0.0]])
    p = 1 / (1 + np.exp(-(z + 0.5) / temperature))
    assert post.probabilities(logits)[0] == pytest.approx([p, 1 - p])
    a, b = p * new / old, (1 - p) * (1 - new) / (1 - old)
    shifted = post.with_prior({"a": new * 7, "b": (1 - new) * 7})  # any scale will do
    assert shifted.probabilities(logits)[0] == pytest.approx([a / (a + b), b / (a + b)], rel=1e-4)
    back = shifted.with_prior({"a": old, "b": 1 - old})
    assert back.probabilities(logits)[0] == pytest.approx([p, 1 - p], rel=1e-4)


def test_tau_is_the_best_on_validation():
    prior = np.log([0.9, 0.1])
    labels = np.array([0, 0, 1, 1])
    # without a shift all are "a"; from tau 0.6 (1.32 = .6 * 2.197) on the last two are right,
    # and the first two stay right up to tau 1.1
    logits = np.array([[2.5, 0.0], [2.6, 0.0], [1.2, 0.0], [1.3, 0.0]])
    assert PostHoc(prior, None, None).tuned(logits, labels) in (0.7, 0.8, 0.9, 1.0)
    assert PostHoc(prior, 0.3, None).tuned(logits, labels) == 0.3


def test_macro_f1_is_that_of_scikit_learn():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    said, labels = rng.integers(0, 5, (2, 50))
    assert macro_f1(said, labels) == pytest.approx(f1_score(labels, said, average="macro"))


@pytest.fixture(scope="module")
def shifted(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("shifted") / "run"
    tail = ["data.long_tail.imbalance_factor=20", "trainer.max_epochs=5"]
    given = ["weighting=logit_adjust_posthoc", "weighting.tau=1.5", f"hydra.run.dir={run_dir}"]
    return bigmodel.fit([*SMALL, *tail, *given])


def test_the_bundle_holds_the_shift(shifted):
    splits = pd.read_parquet(shifted.run_dir / "splits.parquet")
    rows = splits.loc[splits["split"] == "train", "row"]
    counts = np.bincount(load_digits().target[rows])
    post = json.loads((shifted.bundle / "postprocess.json").read_text())
    assert post["offset"] == pytest.approx((-1.5 * np.log(counts / counts.sum())).tolist())
    assert (shifted.run_dir / "metrics.json").exists()


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("wine") / "run"
    return bigmodel.fit([*SMALL, "data=wine", f"hydra.run.dir={run_dir}"])


def test_expected_shares_multiply_the_probabilities(wine):
    bundle = bigmodel.load(wine.bundle)
    X = load_wine(as_frame=True).data
    shares = {"class_0": 0.7, "class_1": 0.2, "class_2": 0.1}
    before, after = bundle.predict(X), bundle.predict(X, prior=shares)
    splits = pd.read_parquet(wine.run_dir / "splits.parquet")
    trained = np.bincount(load_wine().target[splits["split"] == "train"])
    columns = [f"probability/{c}" for c in shares]
    wanted = before[columns].to_numpy() * np.array(list(shares.values())) / trained
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(after[columns].to_numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize(
    "shares",
    [
        {"class_0": 1, "class_1": 1},
        {"class_0": 1, "class_1": 1, "class_2": 0},
        {"class_0": 1, "class_1": 1, "class_2": 1, "class_3": 1},
    ],
)
def test_shares_that_make_no_sense_are_refused(wine, shares):
    bundle = bigmodel.load(wine.bundle)
    with pytest.raises(
        UserError, match="give a positive share for each of class_0, class_1, class_2"
    ):
        bundle.predict(load_wine(as_frame=True).data, prior=shares)


@pytest.mark.parametrize("share", ["much", None])
def test_a_share_that_is_no_number_is_refused(wine, share):
    bundle = bigmodel.load(wine.bundle)
    shares = {"class_0": 1, "class_1": 1, "class_2": share}
    with pytest.raises(UserError, match="give a positive share for each of class_0, class_1"):
        bundle.predict(load_wine(as_frame=True).data, prior=shares)


def test_the_command_line_takes_expected_shares(wine, here):
    X = load_wine(as_frame=True).data
    X.to_csv("rows.csv", index=False)
    given = [f"bundle={wine.bundle}", "input=rows.csv", "output=out.csv"]
    assert cli.dispatch(["predict", *given, "prior={class_0: 7, class_1: 2, class_2: 1}"]) == 0
    shares = {"class_0": 0.7, "class_1": 0.2, "class_2": 0.1}
    expected = bigmodel.load(wine.bundle).predict(X, prior=shares)
    written = pd.read_csv("out.csv")
    np.testing.assert_allclose(
        written["probability/class_0"], expected["probability/class_0"], atol=1e-6
    )
