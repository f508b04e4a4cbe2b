"""Three measures of a contrast: the paper's, chance-corrected, and at matched source accuracy. Pure numpy.

A robustness ratio rewards models that know little: one that learned to 26 % and guesses elsewhere, at 20 %, has a
ratio of .77. So two further measures stand beside it, which such a model does not win:

- *chance-corrected*: what is left of the accuracy above chance, with a denominator of clips that chose no checkpoint.
- *matched*: target top-1 at equal source accuracy, from a regression.

All three take every trial. Each is a function of sums over trials, and gives one pseudo-value per seed by leaving that
seed out (the jackknife: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 11), so that one t test
and one interval serve all three (``statistics``). Trials that never learned weigh nothing where there is nothing to
keep; nobody has to leave them out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rac_ray.results.answers import Draws, by_seed, whole
from rac_ray.results.sides import Side, shared_keys
from rac_ray.results.statistics import sign_flip_p, slopes, trend_p

Name = Literal["paper", "corrected", "matched"]
Over = Literal["mean", "slope"]
CALIPER = 0.02
"""Top-1 that differs by at most this is matched as it is."""
WIDE = 0.2
"""Source accuracies that span more than this get a parabola, others a line."""
STRONG = 10.0
"""Least first-stage F of an instrument."""
CONDITION = 1e10
"""Above this equations have no answer."""
TINY = 1e-12


@dataclass(frozen=True)
class Sample:
    """A measure's value (1 + D,), and per seed (1 + D, S); row 0 as observed, the others on resampled clips."""

    value: Draws
    per_seed: Draws
    pairs: int
    """Trials, or pairs of trials, that it stands on."""
    permutation_p: float = float("nan")


@dataclass(frozen=True)
class Silent:
    """A measure that says nothing of a contrast."""

    why: str
    needed: bool
    """Whether it would have to: a claim cannot be reproduced without it."""


NOT_ASKED = Silent("is not asked: the claim is about top-1 itself", needed=False)
NO_MATCH = Silent("is not asked: there is no second model to match", needed=False)
APART = Silent("cannot be told: no trial of one model is as accurate at home as one of the other", needed=True)
TWO_SIZES = Silent("cannot be told: it needs two sizes", needed=True)
ONE_CURVE = Silent("is not asked: a model's accuracy at home and its size go together", needed=False)


def measured(name: Name, higher: Side | float, lower: Side | float, over: Over) -> Sample | Silent:
    """One measure of "the first is higher than the second" on the trials that both have; positive speaks for it.

    Raises ValueError when both are constants.
    """
    return MEASURES[name](higher, lower, over)


def _paper(higher: Side | float, lower: Side | float, over: Over) -> Sample | Silent:
    """The difference of ratios (or of top-1), averaged over trials; or of their slopes per doubling of size.

    Slopes are of sizes that at least half of the seeds have, over seeds that have all of those.
    """
    keys = shared_keys(higher, lower)
    first, second = (side.at(keys) if isinstance(side, Side) else side for side in (higher, lower))
    values = _value(first) - _value(second)
    known = ~np.isnan(values[0])
    values, keys = values[:, known], keys[known]
    if over == "mean":
        per_seed = by_seed(values, keys.get_level_values("seed").to_numpy())
        return Sample(per_seed.mean(axis=1), per_seed, len(keys), sign_flip_p(per_seed[0]))
    trials = keys.to_frame(index=False).assign(place=range(len(keys)))
    places = whole(trials.pivot_table("place", "seed", ["stratum", "size"]))
    if places.shape[1] < 2 or not len(places):
        return TWO_SIZES
    doublings = np.log2(places.columns.get_level_values("stratum").to_numpy(float))
    rows = values[:, places.to_numpy(int)]
    per_seed = slopes(rows, doublings)
    return Sample(per_seed.mean(axis=1), per_seed, len(keys), trend_p(rows[0], doublings))


def _corrected(higher: Side | float, lower: Side | float, over: Over) -> Sample | Silent:
    """The difference of (target - chance) / (source - chance), trials weighted by what there was to keep.

    For two models: sum(tH sL - tL sH) / sum(sH sL) over pairs, which is the mean difference of the ratios with weights
    sH sL, and never divides by the accuracy of one trial. So it has no bias when models differ in accuracy, and pairs
    of which one never learned weigh nothing. For slopes: each side's ratio falls on a line of log2 h, by least squares
    with weights s.
    """
    sides = [side for side in (higher, lower) if isinstance(side, Side)]
    if any(side.source is None for side in sides):
        return NOT_ASKED
    keys = shared_keys(higher, lower)
    first, second = (side.at(keys) if isinstance(side, Side) else side for side in (higher, lower))
    if over == "slope":
        lines = [_line(side) for side in (first, second) if isinstance(side, Side)]
        if np.ptp(_some(first, second).doublings) == 0:
            return TWO_SIZES
        signs = [sign for sign, side in ((1, first), (-1, second)) if isinstance(side, Side)]
        moments = np.concatenate(lines, axis=-1)
        return _jackknifed(moments, keys, lambda sums: _slope_of_lines(sums, signs))
    (t_high, s_high), (t_low, s_low) = _gains(first), _gains(second)
    moments = np.stack([t_high * s_low - t_low * s_high, s_high * s_low], axis=-1)
    return _jackknifed(moments, keys, lambda sums: _over(sums[..., 0], sums[..., 1]))


def _matched(higher: Side | float, lower: Side | float, over: Over) -> Sample | Silent:
    """Target top-1 at equal source accuracy: what a regression has left for the model.

    Target top-1 falls on one curve of source accuracy for both models, a parabola, plus a constant of each model
    (analysis of covariance); only trials count whose accuracy both models reach. Source accuracy is itself measured
    on few clips, which would flatten the curve and leave the rest to the models; so accuracy on other clips, those
    that chose the checkpoint, is its instrument (two-stage least squares; Fuller 1987, "Measurement Error Models",
    section 2.4). The curve is a line where accuracies span little, and there is none where they hardly differ.
    """
    sides = [side for side in (higher, lower) if isinstance(side, Side)]
    if any(side.source is None for side in sides):
        return NOT_ASKED
    if over == "slope":
        return ONE_CURVE
    if not (isinstance(higher, Side) and isinstance(lower, Side)):
        return NO_MATCH
    low = max(_chooser(side).min() for side in (higher, lower)) - CALIPER / 2
    high = min(_chooser(side).max() for side in (higher, lower)) + CALIPER / 2
    near = [side.only((_chooser(side) >= low) & (_chooser(side) <= high)) for side in (higher, lower)]
    seeds = set(near[0].keys.get_level_values("seed")) & set(near[1].keys.get_level_values("seed"))
    first, second = (side.only(side.keys.get_level_values("seed").isin(list(seeds))) for side in near)
    if not seeds:
        return APART
    return _regressed(first, second)


def _regressed(first: Side, second: Side) -> Sample | Silent:
    """What is left for the first side in a regression of target top-1 on a curve of source accuracy.

    Where the instrument is weak (first-stage F below 10: Staiger and Stock 1997), accuracies do not vary enough for a
    curve; then none is needed if the sides' means differ by less than the caliper.
    """
    target, source, chooser = (
        np.concatenate([np.asarray(getattr(side, name)) for side in (first, second)], axis=1)
        for name in ("target", "source", "chooser")
    )
    is_first = np.repeat([1.0, 0.0], [len(first.keys), len(second.keys)])
    exact = np.stack([is_first, 1 - is_first], axis=1)
    known = np.stack([source[0], chooser[0]], axis=1)
    means = np.linalg.lstsq(exact, known, rcond=None)[0]
    seen, instrument = (known - exact @ means).T
    explained = np.dot(seen, instrument) ** 2 / max(np.dot(seen, seen) * np.dot(instrument, instrument), TINY)
    strong = explained * (len(known) - 3) > STRONG * (1 - explained)
    if not strong and abs(means[0, 0] - means[1, 0]) > CALIPER:
        return APART
    degree = 1 + int(np.ptp(chooser[0]) > WIDE) if strong else 0
    moments = _two_stages(exact, target, source, chooser, degree)
    return _jackknifed(moments, first.keys.append(second.keys), _first_less_second)


def _two_stages(exact: Draws, target: Draws, source: Draws, chooser: Draws, degree: int) -> Draws:
    """(1 + D, N, p (p + 1)) per trial: the products of p instruments with as many regressors, and with the outcome.

    Both are ``exact`` (N, 2) and the powers up to ``degree`` of what ``chooser`` and ``source`` (1 + D, N) say.
    """
    known = np.broadcast_to(exact, (*source.shape, exact.shape[-1]))
    regressors, instruments = (
        np.concatenate([known, *((each[..., None] - 0.5) ** power for power in range(1, degree + 1))], axis=-1)
        for each in (source, chooser)
    )
    products = np.einsum("dni,dnj->dnij", instruments, regressors).reshape(*source.shape, -1)
    return np.concatenate([products, instruments * target[..., None]], axis=-1)


def _first_less_second(sums: Draws) -> Draws:
    """Of the first two of p unknowns, whose equations' matrix and right side are in ``sums`` (.., p (p + 1)).

    NaN where they have no answer.
    """
    p = int((np.sqrt(1 + 4 * sums.shape[-1]) - 1) / 2)
    matrix, right = sums[..., : p * p].reshape(*sums.shape[:-1], p, p), sums[..., p * p :, None]
    known = np.linalg.cond(matrix) < CONDITION
    found = np.linalg.solve(np.where(known[..., None, None], matrix, np.eye(p)), right)[..., 0]
    return np.where(known, found[..., 0] - found[..., 1], np.nan)


def _jackknifed(moments: Draws, keys: Any, statistic: Callable[[Draws], Draws]) -> Sample:
    """``statistic`` of the sums over trials of ``moments`` (1 + D, N, m), and its pseudo-values by seed."""
    seeds = keys.get_level_values("seed").to_numpy()
    by_seed = np.stack([moments[:, seeds == seed].sum(axis=1) for seed in np.unique(seeds)], axis=1)
    value, count = statistic(by_seed.sum(axis=1)), by_seed.shape[1]
    if count == 1:
        return Sample(value, value[:, None], len(seeds))
    without = statistic(by_seed.sum(axis=1, keepdims=True) - by_seed)
    return Sample(value, count * value[:, None] - (count - 1) * without, len(seeds))


def _value(side: Side | float) -> Draws:
    return side.value if isinstance(side, Side) else np.array([[side]])


def _gains(side: Side | float) -> tuple[Draws, Draws]:
    """What lies above chance on the target, and what there was to keep; a constant keeps its share of 1."""
    if not isinstance(side, Side):
        return np.array([[side]]), np.ones((1, 1))
    return side.target - side.chance, np.asarray(side.source) - side.chance


def _line(side: Side) -> Draws:
    (target, source), x = _gains(side), side.doublings
    return np.stack([source, source * x, source * x**2, target, target * x], axis=-1)


def _slope_of_lines(sums: Draws, signs: list[int]) -> Draws:
    found = 0.0
    for sign, each in zip(signs, np.split(sums, len(signs), axis=-1), strict=True):
        s, sx, sxx, t, tx = np.moveaxis(each, -1, 0)
        found = found + sign * _over(s * tx - sx * t, s * sxx - sx * sx)
    return np.asarray(found)


def _over(numerator: Draws, denominator: Draws) -> Draws:
    """Their ratio; NaN where there is nothing to divide by, but for rounding."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=abs(denominator) > TINY)


def _some(*sides: Side | float) -> Side:
    return next(side for side in sides if isinstance(side, Side))


def _chooser(side: Side) -> NDArray[np.float64]:
    return np.asarray(side.chooser)[0]


MEASURES: Mapping[Name, Callable[[Side | float, Side | float, Over], Sample | Silent]] = {
    "paper": _paper,
    "corrected": _corrected,
    "matched": _matched,
}
"""In the order in which they are shown."""
