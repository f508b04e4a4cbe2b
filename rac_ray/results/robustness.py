"""Robustness ratios: how much of the source accuracy is left on a target domain. Pure functions."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

LUCK = 0.001
"""How often a trial that only guesses may count as one that learned."""


def robustness_ratio(target_top1: ArrayLike, source_top1: ArrayLike) -> NDArray[np.float64]:
    """Target top-1 over best source-validation top-1 (paper, section 3: "rr."); NaN where the source is 0."""
    return _ratio(np.asarray(target_top1, float), np.asarray(source_top1, float))


def chance_corrected_ratio(target_top1: ArrayLike, source_top1: ArrayLike, chance: float) -> NDArray[np.float64]:
    """The same ratio of what lies above ``chance``; NaN where the source does not lie above it.

    A model that guesses everywhere has a robustness ratio of 1; this one has none.
    """
    above = np.asarray(source_top1, float) - chance
    return _ratio(np.asarray(target_top1, float) - chance, np.where(above > 0, above, 0.0))


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    safe = np.where(denominator == 0, np.nan, denominator)
    return numerator / safe


def above_chance(best_top1: float, clips: int, epochs: int, classes: int) -> bool:
    """Whether the best of ``epochs`` accuracies over ``clips`` clips is more than luck: whether a trial has learned."""
    return round(best_top1 * clips) > _most_by_luck(clips, epochs, classes)


def least_learned(clips: int, epochs: int, classes: int) -> float:
    """The lowest of the best accuracies that counts as learned."""
    return (_most_by_luck(clips, epochs, classes) + 1) / clips


def _most_by_luck(clips: int, epochs: int, classes: int) -> int:
    """Right answers that guessing reaches: the binomial quantile, with LUCK shared out over the epochs, since the best
    one counts."""
    return int(binom.isf(LUCK / epochs, clips, 1 / classes))
