import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rac_ray.results.aggregates import interquartile_mean, performance_profile, probability_of_improvement
from rac_ray.results.statistics import (
    NOTHING,
    Estimate,
    benjamini_hochberg,
    difference,
    holm,
    interval,
    mean_p,
    seeds_needed,
    sign_flip_p,
    slopes,
    spread_of,
    statistic_interval,
    statistic_intervals,
    trend_p,
)


def resampled_sweep(
    rng: np.random.Generator, *, seeds: int = 5, sizes: int = 3, clips: int = 200, by_seed: float, by_clip: float
) -> NDArray[np.float64]:
    """(1 + D, seeds) top-1 of simulated trials whose true mean is 0.6, as observed and on resampled clips."""
    skill = rng.normal(0, by_seed, size=(seeds, 1, 1))
    difficulty = by_clip * np.sqrt(3) * rng.uniform(-1, 1, size=clips)
    right = (rng.random((seeds, sizes, clips)) < np.clip(0.6 + skill + difficulty, 0, 1)).mean(axis=1)
    weights = rng.multinomial(clips, np.full(clips, 1 / clips), size=300) / clips
    return np.vstack([right.mean(axis=1), weights @ right.T])


@pytest.mark.parametrize(
    ("seeds", "sizes", "by_seed", "by_clip"),
    [
        (5, 3, 0.03, 0.15),
        (3, 3, 0.04, 0.15),
        pytest.param(5, 1, 0.03, 0.15, marks=pytest.mark.slow),
        pytest.param(5, 10, 0.02, 0.2, marks=pytest.mark.slow),
    ],
)
def test_a_95_percent_interval_holds_the_truth_in_95_percent_of_2000_sweeps(
    seeds: int, sizes: int, by_seed: float, by_clip: float
) -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(2000):
        draws = resampled_sweep(rng, seeds=seeds, sizes=sizes, by_seed=by_seed, by_clip=by_clip)
        _, low, high = interval(draws)
        held += low <= 0.6 <= high
    assert 0.93 <= held / 2000 <= 0.97


def test_without_clips_it_is_close_to_students_interval() -> None:
    """Five seeds of values around 0.5: mean +- t(4) * s / sqrt(5), which the stretched bootstrap approximates."""
    values = np.array([0.48, 0.49, 0.50, 0.51, 0.52])
    estimate, low, high = interval(values)
    half = stats.t.ppf(0.975, 4) * values.std(ddof=1) / math.sqrt(5)
    assert estimate == pytest.approx(0.5)
    assert high - estimate == pytest.approx(half, rel=0.05)
    assert estimate - low == pytest.approx(half, rel=0.05)


def test_one_seed_gives_the_binomial_interval() -> None:
    """Normal approximation: 0.6 +- 1.96 * sqrt(0.24 / 1000) = 0.6 +- 0.0304."""
    rng = np.random.default_rng(0)
    draws = np.vstack([[0.6], rng.binomial(1000, 0.6, size=(4000, 1)) / 1000])
    _, low, high = interval(draws)
    assert (low, high) == (pytest.approx(0.5696, abs=0.002), pytest.approx(0.6304, abs=0.002))


def test_equal_seeds_have_no_width_and_no_seed_has_no_interval() -> None:
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5)
    assert np.isnan(interval(np.empty((1, 0)))).all()


def test_resamplings_without_a_value_are_left_out() -> None:
    draws = resampled_sweep(np.random.default_rng(3), by_seed=0.05, by_clip=0.1)
    holed = np.vstack([draws, np.full((20, draws.shape[1]), np.nan)])
    assert interval(holed) == interval(draws)
    assert np.isnan(interval([[0.5, np.nan]])).all()


def test_it_is_reproducible() -> None:
    draws = resampled_sweep(np.random.default_rng(3), by_seed=0.05, by_clip=0.1)
    assert interval(draws) == interval(draws)


def test_the_variance_is_split_between_seeds_and_clips() -> None:
    """Mean over 400 sweeps against the truth: seeds 0.05^2 / 5; clips (0.24 - 0.15^2's rest is noise) 0.15^2 / 200."""
    rng = np.random.default_rng(1)
    found = [spread_of(resampled_sweep(rng, by_seed=0.05, by_clip=0.15)) for _ in range(400)]
    assert np.mean([each.between_seeds for each in found]) == pytest.approx(0.05**2 / 5, rel=0.15)
    noise = (0.24 - 0.15**2 - 0.05**2) / (200 * 5 * 3)
    assert np.mean([each.of_clips for each in found]) == pytest.approx(0.15**2 / 200 + noise, rel=0.15)
    assert np.mean([each.total for each in found]) == pytest.approx(0.05**2 / 5 + 0.15**2 / 200 + noise, rel=0.15)
    assert all(each.freedom >= 4 for each in found)


def test_the_interquartile_mean_is_scipys() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 7))
    assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores.ravel(), 0.25))
    assert interquartile_mean([[0, 1, 2, 100]]) == pytest.approx(1.5)
    assert interquartile_mean(np.stack([scores, scores + 1])).shape == (2,)


@pytest.mark.parametrize("by_clip", [0.05, 0.3])
def test_the_interval_of_an_interquartile_mean_holds_the_truth(by_clip: float) -> None:
    """Also where the clips, which all trials share, vary more than the seeds."""
    rng, held, clips = np.random.default_rng(5), 0, 60
    for _ in range(600):
        difficulty = by_clip * np.sqrt(3) * rng.uniform(-1, 1, size=clips)
        skill = rng.normal(0, 0.03, size=(5, 1, 1)) + rng.normal(0, 0.03, size=(5, 4, 1))
        right = (skill + difficulty + 0.6).clip(0, 1)
        weights = rng.multinomial(clips, np.full(clips, 1 / clips), size=300) / clips
        drawn = np.moveaxis(right @ weights.T, -1, 0)
        _, low, high = statistic_interval(np.concatenate([right.mean(axis=-1)[None], drawn]), interquartile_mean)
        held += low <= 0.6 <= high
    assert 0.93 <= held / 600 <= 0.98


def test_without_clips_or_seeds_the_rest_varies() -> None:
    scores = 0.6 + np.random.default_rng(1).normal(0, 0.03, size=(1, 5, 4))
    assert statistic_interval(scores, interquartile_mean).high > scores.mean() + 0.01
    assert np.isnan(statistic_interval(scores[:, :1], interquartile_mean).low)
    drawn = np.concatenate([scores, scores + np.random.default_rng(2).normal(0, 0.01, size=(2000, 1, 1))])
    estimate, low, high = statistic_interval(drawn[:, :1], interquartile_mean)
    assert (estimate - low, high - estimate) == (pytest.approx(0.0196, rel=0.1), pytest.approx(0.0196, rel=0.1))
    holed = np.concatenate([drawn, np.full((9, 5, 4), np.nan)])
    assert statistic_interval(holed, interquartile_mean) == statistic_interval(drawn, interquartile_mean)


def test_a_statistic_of_several_numbers_has_as_many_intervals() -> None:
    scores = np.random.default_rng(1).normal(0.5, 0.1, size=(200, 5, 4))
    both = statistic_intervals(scores, lambda x: np.stack([x.mean(axis=(-2, -1)), interquartile_mean(x)], axis=-1))
    assert both.shape == (3, 2)
    np.testing.assert_allclose(both[:, 1], statistic_interval(scores, interquartile_mean))


def test_a_profile_counts_scores_above_each_threshold() -> None:
    scores, thresholds = np.array([[0.1, 0.5], [0.5, 0.9]]), [0.0, 0.1, 0.5, 0.9]
    np.testing.assert_allclose(performance_profile(scores, thresholds), [1, 0.75, 0.25, 0])
    stacked = performance_profile(np.stack([scores, scores + 1]), thresholds)
    np.testing.assert_allclose(stacked, [[1, 0.75, 0.25, 0], [1, 1, 1, 1]])


def test_the_probability_of_improvement_is_mann_whitneys() -> None:
    scores = np.random.default_rng(2).integers(0, 9, (6, 6))
    expected = [stats.mannwhitneyu(scores[:, h], scores[:, h + 3]).statistic / 36 for h in range(3)]
    assert probability_of_improvement(scores) == pytest.approx(np.mean(expected))
    assert probability_of_improvement([[2, 1], [3, 1]]) == 1
    np.testing.assert_allclose(probability_of_improvement([[[2, 1]], [[1, 1]]]), [1, 0.5])


def test_five_seeds_cannot_fall_below_a_sixteenth() -> None:
    assert sign_flip_p([0.1, 0.2, 0.3, 0.2, 0.1]) == pytest.approx(2 / 2**5)
    assert sign_flip_p([0.1]) == sign_flip_p([0.0, 0.0]) == 1.0


def test_the_p_of_a_mean_over_seeds_is_students() -> None:
    values = np.array([0.48, 0.55, 0.50, 0.61, 0.52]) - 0.5
    assert mean_p(values) == pytest.approx(stats.ttest_1samp(values, 0)[1])
    assert mean_p([0.3]) == mean_p([0.0, 0.0]) == 1.0
    assert mean_p([0.3, 0.3, 0.3]) == 0.0


def test_the_p_and_the_interval_agree() -> None:
    """p is below 0.05 where the 95% interval leaves zero out, up to the shape of the bootstrap's tails."""
    rng = np.random.default_rng(8)
    agree = 0
    for _ in range(200):
        draws = resampled_sweep(rng, by_seed=0.03, by_clip=0.1) - 0.56
        agree += (mean_p(draws) < 0.05) == (interval(draws).low > 0 or interval(draws).high < 0)
    assert agree >= 185


def test_sign_flips_by_hand() -> None:
    """Sums of (+-3, +-1, +-1): |sum| reaches 3 + 1 - 1 = 3 in 6 of 8 patterns, and 5 in 2 of them."""
    assert sign_flip_p([3, 1, -1]) == pytest.approx(6 / 8)
    assert sign_flip_p([3, 1, 1]) == pytest.approx(2 / 8)


def test_no_difference_is_rejected_as_often_as_stated() -> None:
    rng = np.random.default_rng(4)
    rejected = sum(sign_flip_p(rng.normal(size=8)) < 0.05 for _ in range(400))
    assert 0.025 <= rejected / 400 <= 0.08


def test_a_trend_is_tested_by_permuted_sizes() -> None:
    """Two seeds, three sizes, strictly rising: of 6 * 6 orders one is steeper than all others, and its mirror."""
    assert trend_p([[1.0, 2.0, 4.0], [1.0, 3.0, 4.0]], [1, 2, 3]) == pytest.approx(2 / 36)
    assert trend_p([[0.5], [0.4]], [1]) == 1.0
    noise = np.random.default_rng(0).normal(size=(5, 6))
    assert trend_p(noise, np.arange(6)) > 0.05
    assert trend_p(noise * 0.1 + np.arange(6), np.arange(6)) < 0.001


def test_slopes_are_least_squares() -> None:
    rows, at = np.random.default_rng(0).normal(size=(4, 6)), np.array([1, 2, 3, 4, 5, 5.6])
    np.testing.assert_allclose(slopes(rows, at), np.polyfit(at, rows.T, 1)[0])


def test_holm_by_hand() -> None:
    """0.01 * 4; 0.02 * 3; 0.03 * 2; then 0.04 * 1, not below the one before."""
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
    assert holm([]).shape == (0,)


def test_benjamini_hochberg_by_hand() -> None:
    np.testing.assert_allclose(benjamini_hochberg([0.01, 0.02, 0.03, 0.5]), [0.04, 0.04, 0.04, 0.5])
    assert len(benjamini_hochberg([])) == 0


def test_seeds_needed_is_the_t_tests_sample_size() -> None:
    """Effect of one standard deviation: 10 for a power of 0.8 (Cohen 1988, table 2.4.1, one sample)."""
    values = np.array([-1.0, 1.0, -1.0, 1.0, 0.0])
    values = values / values.std(ddof=1) + 1
    assert seeds_needed(values) == 10
    assert (seeds_needed(values, level=0.99) or 0) > 13
    assert seeds_needed(values * [[1]] - 1) is None
    assert seeds_needed([0.5]) is None
    assert seeds_needed([0.5, 0.5]) == 2


def test_clips_can_be_too_few_for_any_number_of_seeds() -> None:
    rng = np.random.default_rng(0)
    by_clips = 0.02 + rng.normal(0, 0.03, size=(2000, 1)) + np.zeros(5)
    assert seeds_needed(np.vstack([0.02 + rng.normal(0, 0.001, 5), by_clips])) is None


def test_an_interval_ends_where_the_quantity_does() -> None:
    assert Estimate(0.4, -3.2, 6.9).within(0, 1.25) == (0.4, 0.0, 1.25)
    assert Estimate(0.4, 0.3, 0.5).within(0, 1) == (0.4, 0.3, 0.5)
    assert Estimate(0.4, -1, 2).within(math.nan, math.nan) == (0.4, -1.0, 2.0)
    assert all(math.isnan(end) for end in Estimate(0.4, math.nan, math.nan).within(0, 1)[1:])


def test_a_difference_reaches_as_far_as_both_estimates_do_in_its_direction() -> None:
    """0.8 may be 0.05 less and 0.6 may be 0.12 more: together 0.13 less, as squares add up."""
    gap = difference(Estimate(0.8, 0.75, 0.83), Estimate(0.6, 0.56, 0.72))
    assert gap == pytest.approx((0.2, 0.2 - 0.13, 0.2 + 0.05))
    assert math.isnan(difference(NOTHING, Estimate(0.6, 0.5, 0.7)).estimate)


def test_an_interval_of_the_difference_of_two_sweeps_holds_the_truth() -> None:
    """Both have the same truth; clips are their own."""
    held, pairs = 0, 200
    for number in range(pairs):
        rng = np.random.default_rng(number)
        first, second = (interval(resampled_sweep(rng, seeds=seeds, by_seed=0.03, by_clip=0.15)) for seeds in (3, 5))
        gap = difference(first, second)
        held += gap.low <= 0 <= gap.high
    assert held / pairs >= 0.95
