"""What is said of many scores at once, beside their mean. Pure numpy."""

import numpy as np
from numpy.typing import ArrayLike

from rac_ray.results.statistics import Values


def interquartile_mean(scores: ArrayLike) -> Values:
    """Mean of the middle half of scores (.., S, H) (Agarwal et al. 2021, "Deep RL at the edge of the statistical
    precipice"); a quarter is cut off at each end, rounded down."""
    values = np.asarray(scores, float)
    flat = np.sort(values.reshape(*values.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    return flat[..., cut : flat.shape[-1] - cut].mean(axis=-1)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Values:
    """Share of scores (.., S, H) above each threshold (T,): (.., T) (Dolan and Moré 2002; Agarwal et al. 2021)."""
    values = np.asarray(scores, float)
    flat = values.reshape(*values.shape[:-2], -1)
    return (flat[..., None, :] > np.asarray(thresholds, float)[:, None]).mean(axis=-1)


def probability_of_improvement(scores: ArrayLike) -> Values:
    """Chance that a run of the first model beats one of the second, half for a tie, averaged over sizes.

    ``scores`` (.., S, 2 H): a row per seed, the first model's sizes, then the second's (Mann and Whitney's U over its
    maximum, stratified by size; Agarwal et al. 2021).
    """
    first, second = np.split(np.asarray(scores, float), 2, axis=-1)
    above = first[..., :, None, :] - second[..., None, :, :]
    return ((above > 0) + 0.5 * (above == 0)).mean(axis=(-3, -2, -1))
