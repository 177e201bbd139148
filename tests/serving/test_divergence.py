"""How unlike two counts are: figures that mean the same however many rows there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigmodel.serving.monitor.divergence import beyond, chi2_p, holm, ks, psi


def test_rows_like_training_have_an_index_around_nothing_however_few_they_are():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(20))
    training = rng.multinomial(20_000, shares)
    for rows in (200, 1000, 5000):
        plain = [psi(training, rng.multinomial(rows, shares)) for _ in range(50)]
        assert np.mean(plain) < 0.02


@pytest.mark.parametrize("rows", [1000, 5000])
def test_the_index_of_a_shift_is_that_of_the_shares(rows):
    p, q = np.full(10, 0.1), np.array([0.2, 0.2, *[0.075] * 8])
    true = float(((q - p) * np.log(q / p)).sum())
    rng = np.random.default_rng(1)
    training = rng.multinomial(50_000, p)
    seen = [psi(training, rng.multinomial(rows, q)) for _ in range(50)]
    assert np.mean(seen) == pytest.approx(true, rel=0.1)


def test_p_values_are_as_rare_as_they_say():
    rng = np.random.default_rng(2)
    shares = np.sort(rng.dirichlet(np.full(15, 0.3)))[::-1]  # with rare values, as categories have
    found = [
        chi2_p(rng.multinomial(3000, shares), rng.multinomial(400, shares)) for _ in range(2000)
    ]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(np.array(found) < 0.001) < 0.005


def test_chi_squared_is_the_librarys():
    stats = pytest.importorskip("scipy.stats")
    training, live = np.array([30, 50, 20, 100]), np.array([10, 30, 15, 10])
    told = stats.chi2_contingency([training, live], correction=False)
    assert chi2_p(training, live) == pytest.approx(told.pvalue)


@given(st.floats(0, 1000), st.integers(1, 60))
@settings(max_examples=100, deadline=None)
def test_the_chi_squared_distribution_is_the_librarys(statistic, freedom):
    stats = pytest.importorskip("scipy.stats")
    wanted = stats.chi2.sf(statistic, freedom)
    assert beyond(statistic, freedom) == pytest.approx(wanted, rel=1e-9, abs=1e-300)


def test_a_test_without_rows_says_nothing():
    nothing, some = np.zeros(3), np.array([5, 5, 5])
    assert chi2_p(nothing, some) == chi2_p(some, nothing) == 1.0
    assert ks(some, nothing) == 0.0


def test_holm_corrects_for_the_number_of_columns():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


# the bins
