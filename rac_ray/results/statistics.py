"""Uncertainty and tests. Pure numpy and scipy: arrays in, figures out.

A seed is a replicate: it is drawn or left out with all the trials that share it. The clips of an evaluation set are
shared by all trials; whoever resamples them does it for all trials at once (``answers``).
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

Values = NDArray[np.float64]
ALPHA = 0.05
CONFIDENCE = 1 - ALPHA
SEED_DRAWS = 2000
PERMUTATIONS = 9999
POWER = 0.8
MOST_SEEDS = 1000
LEAST_TAIL = 1e-100


class Estimate(NamedTuple):
    """An estimate with its confidence interval, NaN where there is none."""

    estimate: float
    low: float
    high: float

    def within(self, least: float, most: float) -> "Estimate":
        """The same, its interval cut off where the quantity ends; an end that is NaN cuts nothing off."""
        low, high = (end if np.isnan(end) else float(np.fmin(np.fmax(end, least), most)) for end in self[1:])
        return Estimate(self.estimate, low, high)

    @property
    def turned(self) -> "Estimate":
        """The same of the opposite."""
        return Estimate(-self.estimate, -self.high, -self.low)


NOTHING = Estimate(*[float("nan")] * 3)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """The first less the second of two independent estimates, its interval from theirs.

    Distances to the ends that count add up as squares (Zou and Donner 2008, "Construction of confidence limits about
    effect measures: a general approach"), so that bounded and skewed intervals stay what they are. NaN where one is.
    """
    below = np.hypot(first.estimate - first.low, second.high - second.estimate)
    above = np.hypot(first.high - first.estimate, second.estimate - second.low)
    gap = first.estimate - second.estimate
    return Estimate(gap, float(gap - below), float(gap + above))


@dataclass(frozen=True)
class Spread:
    """The parts of an estimate's variance: numbers, or arrays for several estimates."""

    between_seeds: Any
    """Variance of the mean over seeds that more seeds would lower; NaN with one seed."""
    of_clips: Any
    """Variance that only more clips would lower."""
    total: Any
    by_seeds: Any
    """The part of the total that is known from how seeds differ, clips of their own luck included."""
    freedom: int
    """Its degrees of freedom."""

    def reach(self, tail: float) -> Any:
        """How far the estimate is off with a chance of ``tail`` in each direction: the seeds' part by Student's t, the
        rest by the normal distribution (after Cochran 1964, "Approximate significance levels of the Behrens-Fisher
        test").

        Satterthwaite's degrees of freedom for the sum take the seeds' part for small where a few seeds are alike by
        luck, and hold 87 to 95 % of the truth with two seeds and 92 to 95 % with three; these hold 95 to 99 % and 94
        to 98 %, depending on how much of the variance is the clips'.
        """
        by_seeds = special.stdtrit(self.freedom, tail) ** 2 * self.by_seeds if self.freedom else 0.0
        return np.sqrt(by_seeds + special.ndtri(tail) ** 2 * (self.total - self.by_seeds))


def interval(
    per_seed: ArrayLike, *, level: float = CONFIDENCE, seed: int = 0, least: float = 0.0, unseen: float = 0.0
) -> Estimate:
    """Interval of the mean over seeds, by a bootstrap of seeds and clips.

    ``per_seed`` (1 + D, S): row 0 holds each seed's value as observed, the others hold it for D resamplings of the
    clips (D may be 0: then clips count as fixed). Each draw takes S seeds with replacement on one resampling of the
    clips: both factors are crossed, since all trials see the same clips (Owen 2007, "The pigeonhole bootstrap").

    Five seeds are too few for plain percentiles, which hold the truth in about 88 % of sweeps instead of 95. So the
    draws are stretched around the estimate, to an unbiased variance and from a normal's quantile to one that knows how
    few seeds there are (``Spread.reach``; the idea of Hesterberg 2015, "What teachers should know about the bootstrap",
    section 5.3). With one seed only the clips vary.

    ``least``: a variance of the mean below which it is not taken (``cells.failure_variance``). ``unseen``: how far off
    the truth may be where nothing varies at all (``cells.unseen_share``); without it such an interval has no width.
    """
    values = _whole(per_seed)
    if values.size == 0 or np.isnan(values[0]).any():
        return NOTHING
    estimate = float(values[0].mean())
    draws, spread = _draws(values, seed), spread_of(values, seed=seed)
    if least > spread.total:
        spread = replace(spread, total=least)
    if spread.total == 0:
        return Estimate(estimate, estimate - unseen, estimate + unseen)
    if draws.std() == 0:
        draws = stats.norm.ppf((np.arange(SEED_DRAWS) + 0.5) / SEED_DRAWS) + estimate
    low, high = _stretched(estimate, draws, spread, level)
    return Estimate(estimate, float(low), float(high))


def _stretched(estimate: float | Values, draws: Values, spread: Spread, level: float) -> Values:
    """(2, ..) the ends of an interval from ``draws`` (D, ..), stretched to the spread's reach."""
    tail = (1 - level) / 2
    deviation = draws.std(axis=0)
    stretch = spread.reach(tail) / -special.ndtri(tail) / np.where(deviation == 0, 1, deviation)
    return estimate + stretch * (np.quantile(draws, [tail, 1 - tail], axis=0) - estimate)


def spread_of(per_seed: ArrayLike, *, seed: int = 0) -> Spread:
    """Variance components of the mean over seeds of ``per_seed`` (1 + D, S), as in ``interval``.

    Of the bootstrap variances of seeds alone, clips alone and both, the last has their interaction once more; it is
    in each of the first two, so that it is taken off once.
    """
    values = _whole(per_seed)
    seeds = values.shape[1]
    of_clips = float(values[1:].mean(axis=1).var()) if len(values) > 1 else 0.0
    if seeds == 1:
        return Spread(float("nan"), of_clips, of_clips, 0.0, 0)
    by_seeds = float(values[0].var(ddof=1)) / seeds
    return _components(by_seeds, of_clips, float(_draws(values, seed).var()), seeds)


def _components(by_seeds: Any, of_clips: Any, both: Any, seeds: int) -> Spread:
    """The spread that follows from the variances of seeds, unbiased, of clips, and of a bootstrap of both."""
    interaction = np.maximum(0.0, both - by_seeds * (seeds - 1) / seeds - of_clips) * seeds / (seeds - 1)
    between = np.maximum(0.0, by_seeds - interaction)
    total = np.maximum(np.maximum(by_seeds, of_clips), between + of_clips)
    return Spread(between, of_clips, total, by_seeds, seeds - 1)


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
    scores: ArrayLike, statistic: Callable[[Values], Values], *, level: float = CONFIDENCE, seed: int = 0
) -> Estimate:
    """Interval of any statistic of ``scores`` (1 + D, S, H), for what is no mean: ``statistic_intervals`` of one."""
    low_to_high = statistic_intervals(scores, statistic, level=level, seed=seed)
    return Estimate(*(float(each) for each in low_to_high))


def statistic_intervals(
    scores: ArrayLike, statistic: Callable[[Values], Values], *, level: float = CONFIDENCE, seed: int = 0
) -> Values:
    """(3, ..) estimate, low and high of a statistic that maps (.., S, H) to numbers, or to arrays of K.

    ``scores`` (1 + D, S, H): by seed and size, row 0 as observed, the others on resampled clips (D may be 0: then clips
    count as fixed). Seeds and clips are drawn and the draws stretched as in ``interval``; with one seed only the clips
    vary.
    """
    values = np.asarray(scores, float)
    values = np.concatenate([values[:1], values[1:][~np.isnan(values[1:]).any(axis=(1, 2))]])
    estimate, seeds, rng = statistic(values[0]), values.shape[1], np.random.default_rng(seed)
    resampled = statistic(values[1:]) if len(values) > 1 else np.repeat(np.asarray(estimate)[None], 2, axis=0)
    of_clips = resampled.var(axis=0)
    if seeds == 1:
        nowhere = Spread(np.nan, of_clips, of_clips if len(values) > 1 else np.nan, 0.0, 0)
        return np.stack([estimate, *_stretched(estimate, resampled, nowhere, level)])
    clips = values[1:] if len(values) > 1 else np.repeat(values, SEED_DRAWS, axis=0)
    chosen = rng.integers(seeds, size=(len(clips), seeds))
    by_seeds = statistic(values[0][chosen]).var(axis=0) * seeds / (seeds - 1)
    both = statistic(np.take_along_axis(clips, chosen[:, :, None], axis=1))
    spread = _components(by_seeds, of_clips, both.var(axis=0), seeds)
    return np.stack([estimate, *_stretched(estimate, both, spread, level)])


def mean_p(per_seed: ArrayLike) -> float:
    """Two-sided p of the mean over seeds against zero: the test that ``interval`` inverts; 1 with one seed.

    Seeds are the replicates. Trials of one seed are not independent of each other, so that a test over single trials
    finds effects where there are none.
    """
    values = _whole(per_seed)
    if values.shape[1] < 2 or np.isnan(values[0]).any():
        return 1.0
    spread, estimate = spread_of(values), float(values[0].mean())
    if estimate == 0:
        return 1.0
    if spread.reach(LEAST_TAIL) <= abs(estimate):
        return 0.0
    edge = optimize.brentq(lambda log: spread.reach(np.exp(log)) - abs(estimate), np.log(LEAST_TAIL), np.log(0.5))
    return float(2 * np.exp(cast(float, edge)))


def clip_p(draws: ArrayLike) -> float:
    """Two-sided p of a value against zero with only clips as replicates: row 0 of ``draws`` (1 + D,) as observed.

    It speaks of these trials on more clips, not of further seeds. By a normal; 1 without resamplings.
    """
    values = np.asarray(draws, float)
    known = values[1:][~np.isnan(values[1:])]
    if not len(known) or np.isnan(values[0]):
        return 1.0
    if known.std() == 0:
        return 1.0 if values[0] == 0 else 0.0
    return float(2 * stats.norm.sf(abs(values[0]) / known.std()))


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


def seeds_needed(per_seed: ArrayLike, *, level: float = CONFIDENCE, power: float = POWER) -> int | None:
    """Seeds with which an effect as large as the observed one would be found with ``power``; None: no number of them.

    ``per_seed`` as in ``interval``, of two seeds or more. Variance between seeds falls with their number, that of the
    clips does not; a t test at ``level`` of the mean over seeds, its power from the noncentral t distribution.
    """
    values = _whole(per_seed)
    seeds = values.shape[1]
    if seeds < 2:
        return None
    spread, effect = spread_of(values), abs(float(values[0].mean()))

    def reached(wanted: int) -> float:
        error = np.sqrt(max(0.0, spread.total - spread.of_clips) * seeds / wanted + spread.of_clips)
        if error == 0 or effect == 0:
            return float(effect > 0)
        edge = stats.t.ppf((1 + level) / 2, wanted - 1)
        return float(stats.nct.sf(edge, wanted - 1, effect / error))

    numbers = range(2, MOST_SEEDS + 1)
    place = bisect_left(numbers, power, key=reached)
    return numbers[place] if place < len(numbers) else None
