"""What mistakes cost: the decision, the savings, the weights, and all of it in a bundle."""

import numpy as np
import pandas as pd
import pytest
from conftest import BUSINESS, SMALL
from hypothesis import given
from hypothesis import strategies as st

import bigmodel
from bigmodel.errors import UserError
from bigmodel.evaluate import Labelled, evaluate
from bigmodel.weighting.costs import Costs, RowCosts
from bigmodel.weighting.rows import Rows
from bigmodel.weighting.value import ValueCosts

COSTS = ["weighting.fp=fp", "weighting.fn=fn", "weighting.tp=1"]


def costs(fp: list[float], fn: list[float], tp: list[float], tn: list[float]) -> RowCosts:
    return RowCosts(*(np.array(values, dtype=float) for values in (fp, fn, tp, tn)))


@given(
    st.floats(0, 1),
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.floats(0, 0.05),
    st.floats(0, 0.05),
)
def test_the_cheaper_answer_is_that_above_the_threshold(p, fp, fn, tp, tn):
    threshold = (fp - tn) / (fp - tn + fn - tp)
    if abs(p - threshold) > 1e-9:
        assert costs([fp], [fn], [tp], [tn]).decide(np.array([p])) == [p > threshold]


def test_a_missed_row_that_costs_as_much_as_a_found_one_is_never_worth_a_call():
    assert costs([1], [1], [1], [0]).decide(np.array([0.999])) == [0]


def test_savings_by_hand():
    row_costs = costs([1, 1, 1, 1], [10, 10, 10, 10], [1, 1, 1, 1], [0, 0, 0, 0])
    labels = np.array([1, 0, 0, 0])
    # all "no" costs 10, all "yes" 1 + 3 = 4; the true answer 1, two calls 2
    assert row_costs.savings(labels, labels) == pytest.approx(1 - 1 / 4)
    assert row_costs.savings(np.array([1, 1, 0, 0]), labels) == pytest.approx(1 - 2 / 4)
    assert row_costs.savings(np.zeros(4, dtype=np.int64), labels) == pytest.approx(1 - 10 / 4)


def test_rows_weigh_what_a_mistake_costs_more():
    rows = Rows(np.array([0, 1, 1]), ("no", "yes"), np.arange(3), {"fn": np.array([5.0, 9.0, 1.0])})
    plan = ValueCosts(fp=2.0, fn="fn", tp=1.0).fit(rows)
    # 2 - 0; 9 - 1; 1 - 1: mean 10/3
    assert plan.weight.tolist() == pytest.approx([0.6, 2.4, 0.0])


def test_costs_survive_json():
    mixed = Costs("a column", 3.0, 0.5)
    assert Costs.from_json(mixed.to_json()) == mixed
    assert mixed.columns == ("a column",)


def test_a_bundle_decides_by_the_costs_of_each_row(business):
    result = bigmodel.fit([*BUSINESS, *SMALL, "weighting=bmr", *COSTS])
    table = pd.read_csv(business)
    answers = bigmodel.load(result.bundle).predict(table)
    p = answers["probability/yes"]
    cheaper = p * 1 + (1 - p) * table["fp"] < p * table["fn"]
    assert (answers["prediction"] == np.where(cheaper, "yes", "no")).all()
    assert 0 < (answers["prediction"] == "yes").mean() < 1
    splits = pd.read_parquet(result.run_dir / "splits.parquet")["split"]
    right = (answers["prediction"] == table["y"])[splits == "test"].mean()
    assert result.metrics["test/accuracy"] == pytest.approx(right)
    assert result.metrics["test/savings"] <= 1
    table[splits == "test"].to_csv("test.csv", index=False)
    found = evaluate(str(result.bundle), Labelled("test.csv"))
    assert found["accuracy"] == pytest.approx(right)


def test_a_prediction_needs_the_costs(business):
    bundle = bigmodel.load(bigmodel.fit([*BUSINESS, *SMALL, "weighting=bmr", *COSTS]).bundle)
    table = pd.read_csv(business)
    with pytest.raises(UserError, match="the column 'fn' is missing"):
        bundle.predict(table.drop(columns="fn"))
    table["fn"] = table["fn"].where(table.index != 7)
    with pytest.raises(UserError, match=r"row 7 .*column 'fn': nan is not a number, which the"):
        bundle.predict(table)


def test_cost_weights_need_no_costs_at_prediction(business):
    result = bigmodel.fit([*BUSINESS, *SMALL, "weighting=value_costs", *COSTS])
    table = pd.read_csv(business)
    assert len(bigmodel.load(result.bundle).predict(table[["a", "b", "c"]])) == len(table)
    assert "test/savings" in result.metrics
