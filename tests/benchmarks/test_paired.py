import numpy as np
import pytest

from benchmarks import paired
from benchmarks.paired import (
    compare,
    compare_all,
    draw_answers,
    expected_ratio,
    highest_correlation,
    paired_half,
    table,
    two_sample_half,
)


def test_half_widths_by_hand() -> None:
    """Of ten clips six are right in both, two only in the first, one only in the second."""
    first = np.array([[True] * 8 + [False] * 2])
    second = np.array([[True] * 6 + [False] * 2 + [True, False]])
    assert paired_half(first, second) == pytest.approx(1.959964 * np.sqrt(3 - 1 / 10) / 10)
    assert two_sample_half(first, second) == pytest.approx(1.959964 * np.sqrt(0.8 * 0.2 / 10 + 0.7 * 0.3 / 10))
    assert paired_half(first, first) == 0


@pytest.mark.parametrize(("accuracies", "correlation"), [((0.8, 0.6), 0.0), ((0.8, 0.6), 0.5), ((0.4, 0.8), 0.3)])
def test_answers_have_their_accuracies_and_their_correlation(
    accuracies: tuple[float, float], correlation: float
) -> None:
    first, second = draw_answers(np.random.default_rng(1), accuracies, correlation, (100, 4000))
    assert (first.mean(), second.mean()) == pytest.approx(accuracies, abs=0.003)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(correlation, abs=0.01)


def test_the_highest_correlation_is_that_of_answers_of_which_one_implies_the_other() -> None:
    assert highest_correlation(0.7, 0.7) == pytest.approx(1)
    assert highest_correlation(0.8, 0.4) == highest_correlation(0.4, 0.8) == pytest.approx(0.408, abs=0.001)
    first = np.arange(10) < 8
    second = np.arange(10) < 4
    assert highest_correlation(0.8, 0.4) == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_pairs_save_what_the_covariance_saves_and_both_intervals_cover() -> None:
    assert expected_ratio(0.8, 0.6, 0.0) == 1
    assert expected_ratio(0.5, 0.5, 0.5) == pytest.approx(2)
    found = compare(np.random.default_rng(2), (0.8, 0.6), 0.5)
    assert found.clips_ratio == pytest.approx(expected_ratio(0.8, 0.6, 0.5), rel=0.02)
    assert found.coverages == pytest.approx((0.95, 0.95), abs=0.015)


def test_the_table_leaves_out_what_is_not_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "ACCURACIES", ((0.8, 0.4),))
    rows = compare_all()
    assert [row.correlation for row in rows] == [0.0, 0.3, highest_correlation(0.8, 0.4)]
    lines = table(rows).splitlines()
    assert len(lines) == 2 + 3
    assert len({line.count("|") for line in lines}) == 1
    assert lines[-1].startswith("| 80 and 40 | 0.41 (highest) | ")
