"""Which outcomes of a claim would be wrong in a simulated world, from what its trials answer on average. Pure numpy.

A contrast has up to three senses, as a verdict has measures: what is said (``raw``: the paper's ratio over all trials,
or a top-1), what is kept above chance of source-test top-1 (``corrected``), and target top-1 where source top-1 is the
same (``matched``). Ratios have the second, and means of two models' ratios the third.
"""

from typing import Literal

import numpy as np

from benchmarks.worlds import CHANCE, OWN_DOMAIN, SIZES, TARGETS, Array, World, best_of_epochs
from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.studies.temporal_shape.grid import MODELS

Sense = Literal["raw", "corrected", "matched"]
NOT_ZERO = 0.01
"""An effect below this counts as none: means of ratios differ from ratios of means by less than half of it."""
NOT_ZERO_SLOPE = 0.002
"""Likewise for slopes per doubling: a hundredth over the grid's 4.6 doublings."""
ONLY = " in the paper's measure only"


def wrong_outcomes(world: World, claim: Claim) -> frozenset[str]:
    """Outcomes that this world makes errors.

    ``reproduced``, unless all contrasts are above zero in all their senses; ``contradicted``, unless one is below zero
    in all of its senses; each "in the paper's measure only", unless the raw senses are so.
    """
    found = [{sense: _sign(world, each, sense) for sense in senses(each)} for each in claim.contrasts]
    wrong = {
        "reproduced": not all(sign > 0 for signs in found for sign in signs.values()),
        "contradicted": not any(all(sign < 0 for sign in signs.values()) for signs in found),
        f"reproduced{ONLY}": not all(signs["raw"] > 0 for signs in found),
        f"contradicted{ONLY}": not any(signs["raw"] < 0 for signs in found),
    }
    return frozenset(outcome for outcome, is_wrong in wrong.items() if is_wrong)


def senses(contrast: Contrast) -> tuple[Sense, ...]:
    """The senses that a contrast has."""
    terms = [side for side in (contrast.higher, contrast.lower) if isinstance(side, Term)]
    if any(term.against is None for term in terms):
        return ("raw",)
    two_models = len({term.model for term in terms}) == 2
    return ("raw", "corrected", "matched") if two_models and contrast.over == "mean" else ("raw", "corrected")


def _sign(world: World, contrast: Contrast, sense: Sense) -> int:
    effect = true_effect(world, contrast, sense)
    zero = NOT_ZERO_SLOPE if contrast.over == "slope" else NOT_ZERO
    return 0 if np.isnan(effect) or abs(effect) < zero else int(np.sign(effect))


def true_effect(world: World, contrast: Contrast, sense: Sense) -> float:
    """Higher minus lower in this sense; NaN where no source top-1 is matched."""
    if sense == "matched" and isinstance(contrast.higher, Term) and isinstance(contrast.lower, Term):
        return _matched(world, contrast.higher, contrast.lower)
    higher, lower = (_figure(world, side, sense, contrast.over) for side in (contrast.higher, contrast.lower))
    return higher - lower


def _figure(world: World, side: Term | float, sense: Sense, over: str) -> float:
    if not isinstance(side, Term):
        return side
    source, target = learned_top1(world, side)
    never = world.never_learns[MODELS.index(side.model), _sizes(side)]
    if sense == "corrected":
        above, below = (1 - never) * (target - CHANCE), (1 - never) * (source - CHANCE)
        return _slope(above / below, side) if over == "slope" else float(above.sum() / below.sum())
    guesses = np.full_like(target, CHANCE)
    if side.split == "val":
        target, guesses = best_of_epochs(target), best_of_epochs(guesses)
    if side.against:
        target, guesses = target / best_of_epochs(source), guesses / best_of_epochs(CHANCE)
    values = (1 - never) * target + never * guesses
    return _slope(values, side) if over == "slope" else float(values.mean())


def learned_top1(world: World, term: Term) -> tuple[Array, Array]:
    """(sizes,) source top-1, and top-1 on the term's targets, of trials that learn."""
    top1 = world.accuracy[term.source][MODELS.index(term.model), _sizes(term)]
    domains = (OWN_DOMAIN[term.source], *TARGETS[term.source])
    return top1[:, 0], np.mean([top1[:, domains.index(target)] for target in term.targets], axis=0)


def _matched(world: World, higher: Term, lower: Term) -> float:
    """Mean difference of target top-1 over the source top-1 that both models reach, linear between sizes."""
    curves = [tuple(each[np.argsort(pair[0])] for each in pair) for pair in _pairs(world, higher, lower)]
    low, high = max(source[0] for source, _ in curves), min(source[-1] for source, _ in curves)
    if low > high:
        return float("nan")
    at = np.linspace(low, high, 101)
    first, second = (np.interp(at, source, target) for source, target in curves)
    return float((first - second).mean())


def _pairs(world: World, *terms: Term) -> list[tuple[Array, Array]]:
    return [learned_top1(world, term) for term in terms]


def _sizes(term: Term) -> list[int]:
    return [SIZES.index(size) for size in term.sizes or SIZES]


def _slope(values: Array, term: Term) -> float:
    doublings = np.log2([SIZES[place] for place in _sizes(term)])
    return float(np.polyfit(doublings, values, 1)[0])
