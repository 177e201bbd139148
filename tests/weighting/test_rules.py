"""What must not be combined, and what no weight can be made of: one line each, exit code 2."""

import numpy as np
import pandas as pd
import pytest

from bigmodel import cli
from bigmodel.config.paths import CONF
from bigmodel.errors import UserError
from bigmodel.weighting import class_weights, logits, quality, sampling, stages
from bigmodel.weighting.rows import Rows

BOTH = ["weighting=compose", "~weighting.sources.value", "~weighting.sources.quality"]


def add(name: str, option: str) -> str:
    return f"+weighting@weighting.sources.{name}={option}"


def at(option: str, line: int = 1) -> str:
    """The place of a shipped file."""
    return f"{CONF / 'weighting' / option}.yaml:{line}: "


def test_two_sources_may_not_correct_the_same_prior(here, refused):
    line = refused("check", *BOTH, add("one", "inverse"), add("two", "sampler"))
    assert line == (
        f"{at('compose')}weighting: inverse and sampler both correct the class prior; "
        "keep one of them, or set weighting.allow_double=true"
    )


def test_a_prior_corrected_late_is_corrected_too(here, refused):
    line = refused("check", *BOTH, add("one", "logit_adjust"), add("two", "drw"))
    assert "weighting: logit_adjust and drw both correct the class prior;" in line


def test_who_insists_may(here):
    given = [*BOTH, add("one", "inverse"), add("two", "sampler"), "weighting.allow_double=true"]
    assert cli.guarded(lambda: cli.dispatch(["check", *given])) == 0


def test_cost_weights_and_the_cost_decision_count_twice(here, refused):
    costs = [f"weighting.sources.{name}.{cost}=1" for name in "ab" for cost in ("fp", "fn")]
    line = refused("check", *BOTH, add("a", "value_costs"), add("b", "bmr"), *costs)
    told = "keep one of them, or set weighting.allow_double=true"
    assert line == f"{at('compose')}weighting: value_costs and bmr both correct the costs; {told}"
    line = refused("check", *BOTH, add("a", "inverse"), add("b", "bmr"), *costs[2:])
    assert line == f"{at('compose')}weighting: inverse and bmr both correct the class prior; {told}"


def test_a_composition_of_nothing(here, refused):
    assert refused("check", *BOTH) == f"{at('compose')}weighting: compose needs at least one source"


@pytest.mark.parametrize(
    ("one", "two", "place"),
    [
        ("ldam", "logit_adjust", "loss"),
        ("focal", "ldam", "loss"),
        ("quality_aum", "quality_confident", "issues"),
    ],
)
def test_two_sources_for_one_place_are_seen_by_check(here, refused, one, two, place):
    line = refused("check", *BOTH, add("one", one), add("two", two))
    assert line.endswith(f"weighting: {two}: only one source can set the {place}; remove one")


def test_two_losses_do_not_train(here, refused):
    line = refused("train", *BOTH, add("one", "ldam"), add("two", "logit_adjust"))
    assert line == "weighting: logit_adjust: only one source can set the loss; remove one"


def test_a_second_stage_does_not_fit_the_head_of_ldam(here, refused):
    line = refused("train", *BOTH, add("one", "ldam"), add("two", "crt"), "trainer.max_epochs=1")
    assert "ldam" in line
    assert "crt" in line
    assert "use model=mlp" not in line, "that is the model already"


@pytest.mark.parametrize("option", ["quality_aum", "quality_column"])
def test_quality_is_not_deferred(here, refused, option):
    column = ["weighting.of.column=q"] if option == "quality_column" else []
    assert refused("check", "weighting=drw", f"weighting@weighting.of={option}", *column) == (
        f"{at('drw')}weighting: drw cannot defer {option}; "
        "it takes inverse, effective_number or sampler"
    )


def test_nothing_but_the_train_split_is_fitted_on(here, refused):
    line = refused("check", "weighting=inverse", "+weighting.split=val")
    assert line.startswith(
        "command line (+weighting.split=val): weighting.split: Inverse has no such setting"
    )


@pytest.mark.parametrize("option", ["quality_confident", "quality_aum"])
def test_a_class_may_be_too_small_for_an_estimate(here, refused, option):
    line = refused("check", "data.long_tail.imbalance_factor=40", f"weighting={option}")
    assert line == (
        f"weighting: {option} needs 4 training rows of each class, '8' has 2; "
        "leave the class out, or use quality_column"
    )


NEED_CLASSES = [
    class_weights.Inverse(),
    class_weights.EffectiveNumber(),
    logits.LogitAdjust(),
    logits.LogitAdjustPostHoc(),
    logits.Focal(),
    logits.LDAM(),
    sampling.Sampler(),
    stages.CRT(),
    stages.TauNorm(),
    quality.QualityAUM(),
    quality.QualityConfident(),
]


@pytest.mark.parametrize("strategy", NEED_CLASSES, ids=lambda strategy: strategy.label)
def test_a_number_has_no_classes(strategy):
    with pytest.raises(UserError) as caught:
        strategy.check(Rows(np.array([0.5, 2.0], dtype=np.float32), (), np.arange(2)))
    assert caught.value.lines == (
        f"weighting: {strategy.label} balances classes, and the target is a number; "
        "use value_column, quality_column or none",
    )


@pytest.mark.parametrize("strategy", NEED_CLASSES, ids=lambda strategy: strategy.label)
def test_a_class_without_training_rows_is_named(strategy):
    with pytest.raises(UserError) as caught:
        strategy.check(Rows(np.repeat([0, 1, 2], [9, 9, 4]), ("a", "b", "c"), np.arange(18)))
    assert caught.value.lines == (
        f"weighting: {strategy.label}: the class 'c' has no training row; "
        "leave its rows out, or split in another way",
    )


def test_deferred_weights_need_classes_too(here, refused):
    assert refused("check", "data=diabetes", "weighting=drw") == (
        "weighting: inverse balances classes, and the target is a number; "
        "use value_column, quality_column or none"
    )


def test_a_split_may_leave_a_class_without_training_rows(here, refused):
    frame = pd.DataFrame({"x": range(60), "y": ["a", "b"] * 20 + ["c"] * 20})
    parts = ["train", "train", "val", "test"] * 10 + ["val", "test"] * 10
    frame.assign(part=parts).to_csv("table.csv", index=False)
    given = ["data=csv", "data.path=table.csv", "data.target=y", "weighting=logit_adjust"]
    assert refused("check", *given, "data.split.by=column", "data.split.column=part") == (
        "weighting: logit_adjust: the class 'c' has no training row; "
        "leave its rows out, or split in another way"
    )


@pytest.mark.parametrize("option", ["bmr", "value_costs"])
def test_costs_are_of_two_classes(here, refused, option):
    costs = ["weighting.fp=1", "weighting.fn=2"]
    assert refused("check", "data=wine", f"weighting={option}", *costs) == (
        f"weighting: {option} needs a target of two classes, this one has 3; use value_column"
    )


@pytest.mark.parametrize("option", ["ldam", "crt", "tau_norm"])
def test_a_network_without_a_head_is_refused_before_the_fit(here, refused, option):
    who = "this loss" if option == "ldam" else "a second stage"
    assert refused("train", "data=wine", "model=linear", f"weighting={option}") == (
        f"weighting: {who} works on a network's last layer, and Linear has no `features` with a "
        "linear `head`; use model=mlp, or another strategy"
    )
    assert not list(here.glob("runs/*/*/checkpoints/*"))
