import numpy as np

from rac_ray.results.robustness import above_chance, chance_corrected_ratio, robustness_ratio


def test_the_ratio_is_target_over_source() -> None:
    np.testing.assert_allclose(robustness_ratio([0.45, 0.9], [0.9, 0.9]), [0.5, 1.0])
    assert np.isnan(robustness_ratio(0.5, 0.0))


def test_guessing_is_not_robust_once_chance_is_taken_off() -> None:
    assert robustness_ratio(0.2, 0.2) == 1.0
    assert np.isnan(chance_corrected_ratio(0.2, 0.2, chance=0.2))
    np.testing.assert_allclose(chance_corrected_ratio([0.2, 0.6, 0.1], [0.6, 0.6, 0.6], 0.2), [0.0, 1.0, -0.25])
    np.testing.assert_allclose(chance_corrected_ratio(0.75, 1.0, chance=0.5), 0.5)


def test_the_best_of_many_guesses_has_not_learned() -> None:
    """1000 clips: one epoch of guessing passes 0.24 once in a thousand; the best of 100 may reach 0.25."""
    assert above_chance(0.245, 1000, 1, 5)
    assert not above_chance(0.235, 1000, 1, 5)
    assert not above_chance(0.245, 1000, 100, 5)
    assert above_chance(0.6, 1000, 100, 5)
    assert not above_chance(0.55, 100, 1, classes=2)
