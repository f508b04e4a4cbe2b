"""Uncertainty, tests and aggregates. Pure numpy and scipy: arrays in, figures out.

A seed is a replicate: it is drawn or left out with all the trials that share it. The clips of an evaluation set are
shared by all trials; whoever resamples them does it for all trials at once (``answers``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Values = NDArray[np.float64]
LEVEL = 0.95
SEED_DRAWS = 2000
PERMUTATIONS = 9999
POWER = 0.8
MOST_SEEDS = 1000


class Interval(NamedTuple):
    """An estimate with its confidence interval, NaN where there is none."""

    estimate: float
    low: float
    high: float


NOTHING = Interval(*[float("nan")] * 3)


@dataclass(frozen=True)
class Spread:
    """Where the variance of an estimate comes from."""

    between_seeds: float
    """Variance of the mean over seeds that more seeds would lower; NaN with one seed."""
    of_clips: float
    """Variance that only more clips would lower."""
    total: float
    freedom: float
    """Degrees of freedom of the total (Satterthwaite)."""


def interval(per_seed: ArrayLike, *, level: float = LEVEL, seed: int = 0) -> Interval:
    """Interval of the mean over seeds, by a bootstrap of seeds and clips.

    ``per_seed`` (1 + D, S): row 0 holds each seed's value as observed, the others hold it for D resamplings of the
    clips (D may be 0: then clips count as fixed). Each draw takes S seeds with replacement on one resampling of the
    clips: both factors are crossed, since all trials see the same clips (Owen 2007, "The pigeonhole bootstrap").

    Five seeds are too few for plain percentiles, which hold the truth in about 88 % of sweeps instead of 95. So the
    draws are stretched around the estimate: to an unbiased variance, and from a normal's to a t quantile (the idea of
    Hesterberg 2015, "What teachers should know about the bootstrap", section 5.3, with Satterthwaite's degrees of
    freedom for the sum of both variances). With one seed only the clips vary.
    """
    values = _whole(per_seed)
    if values.size == 0 or np.isnan(values[0]).any():
        return NOTHING
    estimate = float(values[0].mean())
    draws, spread = _draws(values, seed), spread_of(values, seed=seed)
    deviation = float(draws.std())
    if deviation == 0 or spread.total == 0:
        return Interval(estimate, estimate, estimate)
    tail = (1 - level) / 2
    quantile = -stats.t.ppf(tail, spread.freedom) / -stats.norm.ppf(tail)
    stretch = quantile * np.sqrt(spread.total) / deviation
    low, high = estimate + stretch * (np.quantile(draws, [tail, 1 - tail]) - estimate)
    return Interval(estimate, float(low), float(high))


def spread_of(per_seed: ArrayLike, *, seed: int = 0) -> Spread:
    """Variance components of the mean over seeds of ``per_seed`` (1 + D, S), as in ``interval``.

    Of the bootstrap variances of seeds alone, clips alone and both, the last has their interaction once more; it is
    in each of the first two, so that it is taken off once.
    """
    values = _whole(per_seed)
    seeds = values.shape[1]
    of_clips = float(values[1:].mean(axis=1).var()) if len(values) > 1 else 0.0
    if seeds == 1:
        return Spread(float("nan"), of_clips, of_clips, float("inf"))
    by_seeds = float(values[0].var(ddof=1)) / seeds
    both = float(_draws(values, seed).var())
    interaction = max(0.0, both - by_seeds * (seeds - 1) / seeds - of_clips) * seeds / (seeds - 1)
    between = max(0.0, by_seeds - interaction)
    total = max(by_seeds, of_clips, between + of_clips)
    freedom = (seeds - 1) * (total / by_seeds) ** 2 if by_seeds else float("inf")
    return Spread(between, of_clips, total, freedom)


def _whole(per_seed: ArrayLike) -> Values:
    """``per_seed`` without resamplings in which a seed has no value (a ratio whose denominator fell to chance)."""
    values = np.atleast_2d(np.asarray(per_seed, float))
    return np.vstack([values[:1], values[1:][~np.isnan(values[1:]).any(axis=1)]])


def _draws(values: Values, seed: int) -> Values:
    """Means of S seeds drawn with replacement, each draw on one resampling of the clips where there are any."""
    rng = np.random.default_rng(seed)
    resamplings = values[1:] if len(values) > 1 else np.repeat(values, SEED_DRAWS, axis=0)
    seeds = values.shape[1]
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=len(resamplings)) / seeds
    return (weights * resamplings).sum(axis=1)


def statistic_interval(
    scores: ArrayLike, statistic: Callable[[Values], Values], *, level: float = LEVEL, seed: int = 0
) -> Interval:
    """Interval of any statistic of ``scores`` (S, H), by drawing seeds (rows) with replacement; clips count as fixed.

    Stretched as in ``interval``, for S seeds; for what is no mean: an interquartile mean, a share above a threshold.
    ``statistic`` maps (.., S, H) to (..).
    """
    values = np.asarray(scores, float)
    seeds = len(values)
    estimate = float(statistic(values))
    if seeds < 2:
        return Interval(estimate, float("nan"), float("nan"))
    chosen = np.random.default_rng(seed).integers(seeds, size=(SEED_DRAWS, seeds))
    draws = statistic(values[chosen])
    tail = (1 - level) / 2
    stretch = stats.t.ppf(tail, seeds - 1) / stats.norm.ppf(tail) * np.sqrt(seeds / (seeds - 1))
    low, high = estimate + stretch * (np.quantile(draws, [tail, 1 - tail]) - estimate)
    return Interval(estimate, float(low), float(high))


def interquartile_mean(scores: ArrayLike) -> Values:
    """Mean of the middle half of scores (.., S, H) (Agarwal et al. 2021, "Deep RL at the edge of the statistical
    precipice"); a quarter is cut off at each end, rounded down."""
    values = np.asarray(scores, float)
    flat = np.sort(values.reshape(*values.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    return flat[..., cut : flat.shape[-1] - cut].mean(axis=-1)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Values:
    """Share of scores above each threshold (T,) (Dolan and Moré 2002; Agarwal et al. 2021)."""
    values = np.asarray(scores, float).ravel()
    return (values[None, :] > np.asarray(thresholds, float)[:, None]).mean(axis=1)


def probability_of_improvement(first: Sequence[ArrayLike], second: Sequence[ArrayLike]) -> float:
    """Chance that a run of the first model beats one of the second, half for a tie, averaged over strata.

    ``first`` and ``second`` hold one array of scores per number of hidden units (Mann and Whitney's U over its
    maximum, stratified; Agarwal et al. 2021).
    """
    shares = []
    for one, other in zip(first, second, strict=True):
        above = np.asarray(one, float)[:, None] - np.asarray(other, float)[None, :]
        shares.append(float(((above > 0) + 0.5 * (above == 0)).mean()))
    return float(np.mean(shares))


def mean_p(per_seed: ArrayLike) -> float:
    """Two-sided p of the mean over seeds against zero: the t test that ``interval`` inverts; 1 with one seed.

    Seeds are the replicates. Trials of one seed are not independent of each other, so that a test over single trials
    finds effects where there are none.
    """
    values = _whole(per_seed)
    if values.shape[1] < 2 or np.isnan(values[0]).any():
        return 1.0
    spread, estimate = spread_of(values), float(values[0].mean())
    if spread.total == 0:
        return 1.0 if estimate == 0 else 0.0
    return float(2 * stats.t.sf(abs(estimate) / np.sqrt(spread.total), spread.freedom))


def sign_flip_p(differences: ArrayLike, *, seed: int = 0) -> float:
    """Two-sided p of paired differences by seed (S,), under random signs; exact when there are few.

    A seed's difference is its mean over sizes: the two models change places for all sizes of a seed at once. n seeds
    cannot fall below 2 / 2^n: five reach 0.0625.
    """
    values = np.asarray(differences, float).ravel()
    if len(values) < 2 or not values.any():
        return 1.0
    return _permutation_p((values,), lambda x, axis: np.mean(x, axis=axis), "samples", seed)


def trend_p(rows: ArrayLike, at: ArrayLike, *, seed: int = 0) -> float:
    """Two-sided p of the mean slope of ``rows`` (S, H) against ``at`` (H,), sizes permuted within each seed."""
    values, place = np.asarray(rows, float), np.asarray(at, float)
    if values.shape[1] < 2 or np.ptp(values) == 0:
        return 1.0
    return _permutation_p(
        tuple(values),
        lambda *each, axis: np.mean([slopes(np.moveaxis(row, axis, -1), place) for row in each], axis=0),
        "pairings",
        seed,
    )


def _permutation_p(samples: tuple[Values, ...], statistic: Callable[..., Values], kind: str, seed: int) -> float:
    found = stats.permutation_test(
        samples,
        statistic,
        permutation_type=kind,
        vectorized=True,
        n_resamples=PERMUTATIONS,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def slopes(rows: ArrayLike, at: ArrayLike) -> Values:
    """Least-squares slopes of ``rows`` (.., H) against ``at`` (H,)."""
    place = np.asarray(at, float)
    centred = place - place.mean()
    return np.asarray(rows, float) @ centred / (centred @ centred)


def holm(p_values: ArrayLike) -> Values:
    """p values corrected by Holm (1979): the chance of any false rejection stays below the level."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def benjamini_hochberg(p_values: ArrayLike) -> Values:
    """p values corrected by Benjamini and Hochberg (1995): the expected share of false rejections."""
    p = np.asarray(p_values, float)
    return stats.false_discovery_control(p, method="bh") if len(p) else p


def seeds_needed(per_seed: ArrayLike, *, level: float = LEVEL, power: float = POWER) -> int | None:
    """Seeds with which an effect as large as the observed one would be found with ``power``; None: no number of them.

    ``per_seed`` as in ``interval``, of two seeds or more. Variance between seeds falls with their number, that of the
    clips does not; a t test at ``level`` of the mean over seeds, its power from the noncentral t distribution.
    """
    values = _whole(per_seed)
    seeds = values.shape[1]
    if seeds < 2:
        return None
    spread, effect = spread_of(values), abs(float(values[0].mean()))
    for wanted in range(2, MOST_SEEDS + 1):
        error = np.sqrt(max(0.0, spread.total - spread.of_clips) * seeds / wanted + spread.of_clips)
        if error == 0 and effect:
            return wanted
        edge = stats.t.ppf((1 + level) / 2, wanted - 1)
        if effect and stats.nct.sf(edge, wanted - 1, effect / error) >= power:
            return wanted
    return None
