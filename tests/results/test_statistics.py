import numpy as np
import pytest

from rac_ray.results.statistics import mean_top1_interval


def test_one_trial_gives_the_binomial_interval() -> None:
    """Normal approximation: 0.6 +- 1.96 * sqrt(0.24 / 1000) = 0.6 +- 0.0304."""
    low, high = mean_top1_interval([600], [1000])
    assert low == pytest.approx(0.6 - 0.0304, abs=0.002)
    assert high == pytest.approx(0.6 + 0.0304, abs=0.002)


def test_certain_answers_have_no_width_and_none_have_no_interval() -> None:
    assert mean_top1_interval([50, 50], [50, 50]) == (1.0, 1.0)
    assert np.isnan(mean_top1_interval([], [])).all()


def test_trials_that_disagree_widen_the_interval() -> None:
    agreeing, disagreeing = mean_top1_interval([50] * 4, [100] * 4), mean_top1_interval([20, 80] * 2, [100] * 4)
    assert disagreeing[1] - disagreeing[0] > 2 * (agreeing[1] - agreeing[0])


def test_it_is_reproducible() -> None:
    assert mean_top1_interval([30, 40], [100, 100]) == mean_top1_interval([30, 40], [100, 100])


def test_coverage_of_many_trials() -> None:
    """400 simulated models of 30 seeds whose true accuracies vary: the interval holds the true mean about 95 %."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        truths = rng.beta(30, 20, size=30)
        low, high = mean_top1_interval(rng.binomial(200, truths), np.full(30, 200))
        held += low <= 0.6 <= high
    assert 0.92 <= held / 400 <= 0.99
