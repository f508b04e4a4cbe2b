"""Robustness against size and against source accuracy: areas, trends, matched comparisons. Pure numpy and scipy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from rac_ray.results.statistics import Values

FAR = 1e9
"""Cost of a pair that is too far apart: worse than any number of pairs that are not."""


def common_range(places: Sequence[ArrayLike]) -> tuple[float, float] | None:
    """The range that all curves cover, given where each has its points; None when there is none."""
    low = max(float(np.min(each)) for each in places)
    high = min(float(np.max(each)) for each in places)
    return (low, high) if low < high else None


def mean_between(at: ArrayLike, values: ArrayLike, low: float, high: float) -> Values:
    """Mean height of the curves ``values`` (.., H) over [low, high], linear between their points ``at`` (H,).

    With ``at`` the logarithm of parameters and ``values`` robustness ratios: the area under ratio against log
    parameters, divided by the width, so that it reads as a ratio, at equal sizes for all models that share the range.
    Exact, trapezoid by trapezoid; ``at`` ascends and covers the range.
    """
    place, heights = np.asarray(at, float), np.asarray(values, float)
    knots = np.unique(np.concatenate([[low, high], place[(place > low) & (place < high)]]))
    right = np.clip(np.searchsorted(place, knots, side="left"), 1, len(place) - 1)
    share = (knots - place[right - 1]) / (place[right] - place[right - 1])
    between = heights[..., right - 1] * (1 - share) + heights[..., right] * share
    return np.asarray(np.trapezoid(between, knots, axis=-1)) / (high - low)


def logit(top1: ArrayLike, clips: int) -> Values:
    """Log odds of an accuracy over ``clips`` clips; half a clip keeps 0 and 1 finite."""
    share = (np.asarray(top1, float) * clips + 0.5) / (clips + 1)
    return np.log(share / (1 - share))


def effective_robustness(
    source: ArrayLike, target: ArrayLike, baseline: tuple[ArrayLike, ArrayLike], clips: tuple[int, int]
) -> Values:
    """Target top-1 beyond what source top-1 predicts (Taori et al. 2020; Miller et al. 2021, logit axes).

    The line is fitted through ``baseline``, source and target top-1 of other models' trials; ``clips`` counts the
    clips of the source and the target set. Positive: above the line. NaN with fewer than two baseline points.
    """
    x, y = logit(baseline[0], clips[0]).ravel(), logit(baseline[1], clips[1]).ravel()
    if len(x) < 2 or np.ptp(x) == 0:
        return np.full(np.shape(target), np.nan)
    slope, intercept = np.polyfit(x, y, 1)
    expected = 1 / (1 + np.exp(-(slope * logit(source, clips[0]) + intercept)))
    return np.asarray(target, float) - expected


def matched_pairs(first: ArrayLike, second: ArrayLike, caliper: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices into ``first`` (N,) and ``second`` (M,) of pairs at most ``caliper`` apart, each used once.

    As many pairs as there can be, and of those the ones with the least total distance (optimal caliper matching,
    Rosenbaum 1989). With log parameters: a comparison at matched size; with source top-1: at matched accuracy.
    """
    one, other = np.asarray(first, float), np.asarray(second, float)
    distance = np.abs(one[:, None] - other[None, :])
    rows, columns = linear_sum_assignment(np.where(distance <= caliper, distance, FAR))
    near = distance[rows, columns] <= caliper
    return rows[near], columns[near]
