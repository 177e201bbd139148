"""What mistakes cost: the decision, the savings, the weights, and all of it in a bundle."""

import numpy as np
import pandas as pd
import pytest
from conftest import BUSINESS, SMALL, business_table
from hypothesis import given
from hypothesis import strategies as st

import bigmodel
from bigmodel.bundle.postprocess import Postprocess
from bigmodel.data.schema import Target
from bigmodel.errors import UserError
from bigmodel.evaluate import Labelled, evaluate
from bigmodel.train import Result
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


def test_a_missing_cost_is_named_where_the_decision_is_made():
    target = Target("y", "binary", "str", ("no", "yes"))
    post = Postprocess(target, costs=Costs(1.0, "fn"))
    even = np.full((2, 2), 0.5)
    rows = pd.DataFrame({"fn": [3.0, 0.5]}, index=[7, 8])
    assert post.codes(even, post.cost_columns(rows)).tolist() == [1, 0]
    rows.loc[8, "fn"] = np.nan
    with pytest.raises(UserError, match="row 8: column 'fn' has no value, and the decision needs"):
        post.cost_columns(rows)


@pytest.fixture(scope="module")
def decided(tmp_path_factory) -> tuple[Result, pd.DataFrame]:
    """A run with `bmr`, and its table."""
    place = tmp_path_factory.mktemp("bmr")
    table = business_table()
    table.to_csv(place / "business.csv", index=False)
    path = f"data.path={place / 'business.csv'}"
    given = [*BUSINESS, path, *SMALL, "weighting=bmr", *COSTS, f"hydra.run.dir={place / 'run'}"]
    return bigmodel.fit(given), table


def test_a_bundle_decides_by_the_costs_of_each_row(decided, here):
    result, table = decided
    answers = bigmodel.load(result.bundle).predict(table)
    p = answers["probability/yes"]
    cheaper = p * 1 + (1 - p) * table["fp"] < p * table["fn"]
    assert (answers["prediction"] == np.where(cheaper, "yes", "no")).all()
    assert 0 < (answers["prediction"] == "yes").mean() < 1
    splits = pd.read_parquet(result.run_dir / "splits.parquet")["split"]
    for part in ("val", "test"):
        said, rows = answers["prediction"][splits == part], table[splits == part]
        right = (said == rows["y"]).mean()
        assert result.metrics[f"{part}/accuracy"] == pytest.approx(right)
        constant = min(spent(pd.Series(answer, rows.index), rows) for answer in ("yes", "no"))
        saved = 1 - spent(said, rows) / constant
        assert result.metrics[f"{part}/savings"] == pytest.approx(saved)
    table[splits == "test"].to_csv("test.csv", index=False)
    found = evaluate(str(result.bundle), Labelled("test.csv"))
    assert found["accuracy"] == pytest.approx(right)


def spent(said: pd.Series, rows: pd.DataFrame) -> float:
    """A call costs 1, to a "no" `fp`; a "yes" that is not called costs `fn`."""
    called = np.where(rows["y"] == "yes", 1.0, rows["fp"])
    left = np.where(rows["y"] == "yes", rows["fn"], 0.0)
    return float(np.where(said == "yes", called, left).sum())


def test_a_prediction_needs_the_costs(decided):
    result, table = decided
    bundle = bigmodel.load(result.bundle)
    with pytest.raises(UserError, match="the column 'fn' is missing"):
        bundle.predict(table.drop(columns="fn"))
    holed = table.assign(fn=table["fn"].where(table.index != 7))
    with pytest.raises(UserError, match=r"row 7 .*column 'fn': nan is not a number, which the"):
        bundle.predict(holed)


def test_cost_weights_need_no_costs_at_prediction(business):
    result = bigmodel.fit([*BUSINESS, *SMALL, "weighting=value_costs", *COSTS])
    table = pd.read_csv(business)
    assert len(bigmodel.load(result.bundle).predict(table[["a", "b", "c"]])) == len(table)
    assert "test/savings" in result.metrics
    splits = pd.read_parquet(result.run_dir / "splits.parquet")
    train = splits["split"] == "train"
    extra = np.where(table["y"] == "yes", table["fn"] - 1, table["fp"])[train]
    np.testing.assert_allclose(splits["weight"][train], extra / extra.mean(), rtol=1e-5)
