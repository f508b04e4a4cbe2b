"""Places of models: who is ahead of whom at matched source accuracy, and which places that leaves each. Numpy.

A model is ahead of another where the difference of their target top-1 at matched source accuracy (``measures``) is
decided at 5%, after Holm's correction over all pairs that are compared. So all places of a board are right together in
95% of boards (the idea of Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference for ranks").
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rac_ray.counted import counted
from rac_ray.results.findings import FEW
from rac_ray.results.measures import Silent, measured
from rac_ray.results.sides import Side
from rac_ray.results.statistics import ALPHA, NOTHING, Estimate, holm, interval, mean_p

Pair = tuple[int, int]
"""Numbers of two models, the lower one first."""


@dataclass(frozen=True)
class Gap:
    """Target top-1 of the first of two models less that of the second, at matched source accuracy."""

    effect: Estimate
    p: float
    """Two-sided, of the mean over pairs of seeds."""
    seeds: int
    """Pairs of seeds."""
    trials: int
    """Trials of both whose source accuracy both reach."""


def gap_of(first: Side, second: Side) -> Gap | str:
    """How far the first model is ahead; or why that cannot be told."""
    sample = measured("matched", *with_paired_seeds(first, second), "mean")
    if isinstance(sample, Silent):
        return sample.why
    seeds = sample.per_seed.shape[1]
    if seeds < FEW:
        pairs = counted(seeds, "pair of seeds has", "pairs of seeds have")
        return f"cannot be told: {pairs} trials that are as accurate at home; {FEW} are needed"
    if np.isnan(sample.per_seed[0]).any():
        return "cannot be told: too few trials are as accurate at home"
    return Gap(interval(sample.per_seed).within(-1, 1), mean_p(sample.per_seed), seeds, sample.pairs)


def with_paired_seeds(first: Side, second: Side) -> tuple[Side, Side]:
    """Both sides, seeds numbered anew: one that both have is a pair, the others pair in ascending order.

    Seeds of two sweeps may be others. Those are independent of each other, so that the differences of any pairs of them
    are as good as of any others. Seeds that are left over have a number of their own.
    """
    mine, other = (sorted(set(side.keys.get_level_values("seed"))) for side in (first, second))
    shared = [seed for seed in mine if seed in other]
    sides = []
    for side, seeds in ((first, mine), (second, other)):
        order = {seed: number for number, seed in enumerate([*shared, *(seed for seed in seeds if seed not in shared)])}
        frame = side.keys.to_frame(index=False)
        keys = pd.MultiIndex.from_frame(frame.assign(seed=[order[seed] for seed in frame["seed"]]))
        sides.append(replace(side, keys=keys))
    return sides[0], sides[1]


def corrected(gaps: Mapping[Pair, Gap]) -> dict[Pair, float]:
    """p of each pair, by Holm over all of them."""
    return dict(zip(gaps, holm([gap.p for gap in gaps.values()]).tolist(), strict=True))


def ahead(gaps: Mapping[Pair, Gap], models: int) -> NDArray[np.bool_]:
    """(models, models): whether the comparison of two models decides that the first is ahead of the second."""
    found = np.zeros((models, models), bool)
    for (first, second), p in corrected(gaps).items():
        if p < ALPHA:
            estimate = gaps[first, second].effect.estimate
            found[(first, second) if estimate > 0 else (second, first)] = True
    return found


def ranges(decided: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The first and the last place that each model can have, given who is ``ahead`` of whom.

    Who is ahead of one that is ahead of a third is ahead of the third, too. Of models that would be ahead of each other
    in this way nothing is decided.
    """
    reached = decided.copy()
    for _ in range(len(decided)):
        reached |= reached @ reached
    before = reached & ~reached.T
    firsts, lasts = 1 + before.sum(axis=0), len(before) - before.sum(axis=1)
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def lead(gaps: Mapping[Pair, Gap], model: int) -> tuple[Estimate, int]:
    """Mean gap of a model to all that it was compared with, and how many these are.

    Its interval has the means of the ends of theirs: the standard deviation of a mean is no larger than the mean of the
    standard deviations, however the gaps depend on each other, and all have this model's trials in common.
    """
    mine = [gap.effect if model == pair[0] else gap.effect.turned for pair, gap in gaps.items() if model in pair]
    return (Estimate(*np.mean(mine, axis=0).tolist()), len(mine)) if mine else (NOTHING, 0)
