import numpy as np
import pytest

from rac_ray.results.curves import common_range, effective_robustness, logit, matched_pairs, mean_between


def test_the_common_range_is_where_all_curves_are() -> None:
    assert common_range([[1, 5], [2, 9], [0, 4]]) == (2, 4)
    assert common_range([[1, 2], [3, 4]]) is None


def test_the_mean_height_of_a_line_is_its_middle() -> None:
    assert mean_between([0, 1, 2], [0.0, 1.0, 2.0], 0.5, 1.5) == pytest.approx(1.0)
    assert mean_between([0, 4], [0.0, 1.0], 0, 4) == pytest.approx(0.5)


def test_the_mean_height_is_exact_for_broken_lines() -> None:
    """From (0, 0) to (1, 1) to (3, 0): area 0.5 + 1 over a width of 3; from 1 to 3: 1 over 2."""
    np.testing.assert_allclose(mean_between([0, 1, 3], [[0, 1, 0], [0, 2, 0]], 0, 3), [0.5, 1.0])
    assert mean_between([0, 1, 3], [0, 1, 0], 1, 3) == pytest.approx(0.5)


def test_logits_stay_finite() -> None:
    assert logit(0.5, 100) == pytest.approx(0)
    assert np.isfinite(logit([0, 1], 10)).all()
    assert logit(0, 10) == pytest.approx(-logit(1, 10))


def test_effective_robustness_is_the_distance_to_the_others_line() -> None:
    """A baseline with target odds equal to source odds: what is 0.1 above its source top-1 is 0.1 above the line."""
    source = np.array([0.3, 0.5, 0.7, 0.9])
    found = effective_robustness([0.6], [0.7], (source, source), (100_000, 100_000))
    np.testing.assert_allclose(found, [0.1], atol=1e-5)
    assert np.isnan(effective_robustness([0.6], [0.7], ([0.5], [0.5]), (100, 100))).all()


def test_pairs_are_as_many_and_as_close_as_can_be() -> None:
    """1.0 could take 1.1, but then 1.2 had none within 0.15: both find a partner."""
    rows, columns = matched_pairs([1.0, 1.2], [0.9, 1.1], 0.15)
    assert list(zip(rows, columns, strict=True)) == [(0, 0), (1, 1)]
    rows, columns = matched_pairs([1.0, 5.0], [5.1, 9.0, 30.0], 0.5)
    assert list(zip(rows, columns, strict=True)) == [(1, 0)]
    assert len(matched_pairs([], [1.0], 1)[0]) == 0
