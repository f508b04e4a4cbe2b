"""Uncertainty of a mean accuracy. Pure numpy."""

import numpy as np
from numpy.typing import ArrayLike

BOOTSTRAP_DRAWS = 4000


def mean_top1_interval(
    correct: ArrayLike, clips: ArrayLike, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean top-1 of several trials, by a two-level bootstrap.

    ``correct`` and ``clips`` (N,) count right answers and clips per trial. Each draw resamples trials with
    replacement, then the clips within each drawn trial; resampling n clips of which a share p is right is a binomial
    draw (Efron and Tibshirani 1993, chapter 8, for nested data). With one trial only the clips vary.
    """
    rng = np.random.default_rng(seed)
    right, total = np.asarray(correct), np.asarray(clips)
    if len(right) == 0:
        return float("nan"), float("nan")
    drawn = rng.integers(len(right), size=(BOOTSTRAP_DRAWS, len(right)))
    means = (rng.binomial(total[drawn], right[drawn] / total[drawn]) / total[drawn]).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
