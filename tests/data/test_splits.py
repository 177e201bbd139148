import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigmodel.data.long_tail import LongTail
from bigmodel.data.splits import Split, quantile_bins
from bigmodel.errors import UserError


def assign(strata, values=None, seed=0, ready=frozenset(), **settings):
    strata = np.asarray(strata)
    return Split(**settings).assign(strata, values, seed, set(ready))


def shares(parts):
    return [int((parts == part).sum()) for part in range(3)]


def test_by_default_classes_have_the_same_shares_in_every_part():
    strata = np.repeat([0, 1, 2], [800, 80, 8])
    parts = assign(strata)
    for code, rows in enumerate((800, 80, 8)):
        assert shares(parts[strata == code]) == [rows // 2, rows // 4, rows // 4]


def test_a_split_depends_on_the_seed_alone():
    strata = np.arange(100) % 3
    assert (assign(strata) == assign(strata)).all()
    assert (assign(strata) != assign(strata, seed=1)).any()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1]), (4, [2, 1, 1]), (5, [3, 1, 1])],
)
def test_rare_classes_follow_the_stated_rule(rows, expected):
    strata = np.repeat([0, 1], [1000, rows])
    assert shares(assign(strata)[strata == 1]) == expected


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=15),
    st.lists(st.floats(0.1, 5), min_size=3, max_size=3),
    st.integers(0, 3),
)
def test_stratification_keeps_every_rule_for_any_classes(sizes, ratios, seed):
    strata = np.repeat(np.arange(len(sizes) + 1), [40, *sizes])
    parts = assign(strata, seed=seed, ratios=ratios)
    for code, rows in enumerate([40, *sizes]):
        counts = shares(parts[strata == code])
        assert sum(counts) == rows
        assert counts[0] >= 1
        if rows >= 3:
            assert min(counts) >= 1


@given(st.lists(st.integers(2, 9), min_size=30, max_size=60), st.integers(0, 3))
def test_many_small_classes_keep_val_and_test_of_one_size(sizes, seed):
    parts = assign(np.repeat(np.arange(len(sizes)), sizes), seed=seed)
    train, val, test = np.array(shares(parts)) / sum(sizes)
    assert abs(val - test) < 0.1
    assert train > 0.3


def test_a_second_class_of_two_rows_goes_where_rows_are_lacking():
    strata = np.repeat(np.arange(11), [100, *[2] * 10])
    parts = assign(strata)
    assert shares(parts[strata > 0]) == [10, 5, 5]


def test_a_part_with_ratio_zero_stays_empty():
    assert shares(assign(np.arange(90) % 2, ratios=[2, 1, 0])) == [60, 30, 0]


def test_a_ready_made_test_table_leaves_train_and_val_to_the_others():
    assert shares(assign(np.arange(90) % 2, ready={2})) == [60, 30, 0]
    assert shares(assign(np.arange(90) % 2, ready={1, 2})) == [90, 0, 0]


def test_a_regression_is_stratified_by_its_tenths():
    values = np.random.default_rng(0).lognormal(size=1000)
    bins = quantile_bins(values)
    assert np.bincount(bins).tolist() == [100] * 10
    parts = assign(bins)
    means = [values[parts == part].mean() for part in range(3)]
    assert max(means) / min(means) < 1.2


def test_groups_stay_together():
    rng = np.random.default_rng(0)
    groups = pd.Series(rng.integers(0, 60, 1000).astype(str), dtype="str")
    groups[groups == "7"] = None
    parts = assign(np.zeros(1000, int), groups, by="group", column="g")
    for _, rows in pd.Series(parts).groupby(groups.fillna("none").to_numpy()):
        assert rows.nunique() == 1
    np.testing.assert_allclose(shares(parts), [500, 250, 250], atol=40)


def test_one_large_group_goes_to_train():
    groups = pd.Series(["big"] * 60 + ["a"] * 20 + ["b"] * 20)
    parts = assign(np.zeros(100, int), groups, by="group", column="g")
    assert set(parts[:60]) == {0}
    assert shares(parts) == [60, 20, 20]


def test_too_few_groups_are_an_error():
    groups = pd.Series(["a", "b"] * 50)
    with pytest.raises(UserError, match=r"too few groups \(100 rows in all\).*none is left for"):
        assign(np.zeros(100, int), groups, by="group", column="g")


def test_in_time_the_future_is_the_test():
    times = pd.Series(np.random.default_rng(0).permutation(100))
    parts = assign(np.zeros(100, int), times, by="time", column="t")
    assert shares(parts) == [50, 25, 25]
    assert times[parts == 0].max() < times[parts == 1].min()
    assert times[parts == 1].max() < times[parts == 2].min()


def test_equal_times_stay_together():
    days = pd.Series(np.repeat(pd.date_range("2024-01-01", periods=12), 10))
    parts = assign(np.zeros(120, int), days, by="time", column="t")
    assert pd.Series(parts).groupby(days).nunique().max() == 1
    assert parts.tolist() == sorted(parts)


def test_row_order_is_a_time():
    parts = assign(np.zeros(100, int), by="time", column="row_order")
    assert parts.tolist() == [0] * 50 + [1] * 25 + [2] * 25


def test_a_row_without_a_time_is_an_error():
    times = pd.Series([1.0, 2.0, None, 4.0], name="t")
    with pytest.raises(UserError, match=r"data\.split\.column=t: row 2 \(from 0\) has no time"):
        assign(np.zeros(4, int), times, by="time", column="t")


def test_a_column_names_the_parts():
    names = pd.Series(["train", " Training", "VAL", "dev", "test", "oos", None])
    parts = assign(np.zeros(7, int), names, by="column", column="s")
    assert parts.tolist() == [0, 0, 1, 1, 2, -1, -1]


@pytest.mark.parametrize(("names", "part"), [(["train", "test"], "val"), (["val"], "train")])
def test_a_column_has_to_name_train_and_val(names, part):
    with pytest.raises(UserError, match=rf"data\.split\.column=s: no row is for {part} \("):
        assign(np.zeros(len(names), int), pd.Series(names), by="column", column="s")


def test_folds_are_each_the_test_once():
    strata = np.arange(100) % 2
    folds = [assign(strata, by="kfold", folds=4, fold=fold) for fold in range(4)]
    assert (np.array([parts == 2 for parts in folds]).sum(axis=0) == 1).all()
    assert (np.array([parts == 1 for parts in folds]).sum(axis=0) == 1).all()
    assert all(shares(parts) == [50, 25, 25] for parts in folds)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"fold": 5}, "data.split.fold=5: must be below data.split.folds (5)"),
        ({"ratios": [0, 1, 1]}, "data.split.ratios: the first number"),
        ({"by": "group"}, "data.split.by=group needs data.split.column=NAME"),
        ({"by": "time"}, "data.split.by=time needs data.split.column=NAME, or row_order"),
    ],
)
def test_settings_that_cannot_be(settings, line):
    with pytest.raises(UserError) as caught:
        Split(**settings).check()
    assert caught.value.lines[0].startswith(line)


def test_folds_do_not_go_with_a_ready_made_test():
    with pytest.raises(UserError, match=r"by=kfold makes val and test rows of its own"):
        assign(np.arange(50) % 2, ready={2}, by="kfold")


def test_a_long_tail_thins_train_and_only_train():
    codes = np.repeat([0, 1, 2], 400)
    parts = assign(codes)
    thinned = LongTail(imbalance_factor=16).thin(codes, parts, seed=0)
    counts = [int((thinned[codes == code] == 0).sum()) for code in range(3)]
    assert counts == [200, 50, 12]
    assert (thinned[parts > 0] == parts[parts > 0]).all()
    assert set(thinned[(parts == 0) & (thinned != 0)]) == {-1}


def test_a_long_tail_follows_the_seed_and_keeps_one_row_of_each_class():
    codes = np.repeat(np.arange(10), 20)
    parts = assign(codes)
    one, same, other = (LongTail(1000).thin(codes, parts, seed) for seed in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()
    assert np.bincount(codes[one == 0]).min() == 1
