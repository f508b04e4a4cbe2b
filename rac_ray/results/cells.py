"""What a cell of few trials cannot know by itself: how often trials fail, how rare an answer is that nobody gave."""

import numpy as np
from numpy.typing import ArrayLike

from rac_ray.results.statistics import CONFIDENCE


def failure_variance(values: ArrayLike, failed: ArrayLike, cell: int) -> float:
    """Variance of the mean of ``cell`` trials that comes from how many of them never learn; 0 where all or none do.

    ``values`` (N,) and whether each of these trials has ``failed``: of all sizes of a model, from which a cell's few
    seeds borrow. Five seeds that have all learned say little of a share of failures like a fifth, with which that
    happens in a third of the cells (0.8^5), and their own interval then leaves the expected mean far outside.
    """
    figures, lost = np.asarray(values, float), np.asarray(failed, bool)
    if lost.all() or not lost.any():
        return 0.0
    gap = figures[~lost].mean() - figures[lost].mean()
    return float(lost.mean() * (1 - lost.mean()) * gap**2 / cell)


def unseen_share(clips: int, *, level: float = CONFIDENCE) -> float:
    """The largest share of clips with an answer of which none of ``clips`` clips has shown any: the bound of Clopper
    and Pearson (1934), as if all trials failed on the same clips."""
    return 1.0 - ((1 - level) / 2) ** (1 / clips)
