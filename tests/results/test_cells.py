import numpy as np
import pytest
from scipy import stats

from rac_ray.results.cells import failure_variance, unseen_share
from rac_ray.results.statistics import Spread, interval, mean_p


def test_the_variance_of_failures_is_binomial() -> None:
    """A quarter fails, 0.4 below the others: 0.25 * 0.75 * 0.4^2 / 5."""
    values, failed = np.array([0.2, 0.6, 0.5, 0.7]), np.array([True, False, False, False])
    assert failure_variance(values, failed, 5) == pytest.approx(0.25 * 0.75 * 0.4**2 / 5)
    assert failure_variance(values, ~failed, 5) == pytest.approx(0.25 * 0.75 * 0.4**2 / 5)
    assert failure_variance(values, np.zeros(4, bool), 5) == failure_variance(values, np.ones(4, bool), 5) == 0


def test_what_nobody_showed_is_bounded_by_clopper_and_pearson() -> None:
    for clips in (5, 500):
        assert unseen_share(clips) == pytest.approx(stats.binomtest(0, clips).proportion_ci(0.95, "exact").high)


def test_equal_seeds_have_the_width_that_is_known_from_elsewhere() -> None:
    """Two standard errors of 0.02, and the bound where nothing varies."""
    low, high = interval([0.5, 0.5, 0.5], least=0.02**2)[1:]
    assert (low, high) == (pytest.approx(0.5 - 1.96 * 0.02, abs=1e-4), pytest.approx(0.5 + 1.96 * 0.02, abs=1e-4))
    assert interval([1.0, 1.0], unseen=0.01) == (1.0, pytest.approx(0.99), pytest.approx(1.01))


def test_an_interval_reaches_as_far_as_students_and_the_normal_one_together() -> None:
    spread = Spread(3.0, 1.0, 4.0, 3.0, 4)
    assert spread.reach(0.025) == pytest.approx(np.sqrt(3 * 2.7764**2 + 1.95996**2), rel=1e-4)
    draws = np.vstack([[0.1, 0.2, 0.3], np.random.default_rng(0).normal(0.2, 0.05, (400, 1)) + np.zeros(3)])
    assert 0 < mean_p(draws) < 1
    assert mean_p(np.array([[1.0, 1.0], [1.0 + 1e-9, 1.0]])) == pytest.approx(0.0, abs=1e-6)
