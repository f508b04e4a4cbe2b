"""What was found of a contrast in each measure: effects, intervals, p values. Numpy."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from rac_ray.results.answers import Answers
from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.results.measures import MEASURES, Name, Sample, Silent, measured
from rac_ray.results.sides import Side, shared_keys, side_of
from rac_ray.results.statistics import ALPHA, Estimate, clip_p, interval, mean_p, seeds_needed

FEW = 3
"""Seeds without which nothing is decided about architectures."""


@dataclass(frozen=True)
class Finding:
    """One contrast in one measure."""

    effect: Estimate
    """Higher minus lower; positive speaks for the claim."""
    p: float
    """Two-sided, of the mean over seeds; with fewer than three seeds, of the clips."""
    permutation_p: float
    seeds: int
    pairs: int
    """Trials, or pairs of trials."""
    needed: int | None
    """Seeds that would show an effect like this one; None: no number of them, or unknown."""


@dataclass(frozen=True)
class Measurement:
    """What was measured of one contrast."""

    contrast: Contrast
    by_measure: Mapping[Name, Finding | Silent]
    learned_only: Finding | None
    """The paper's measure of the trials that learned; None where all did, and where the claim is about top-1."""
    learned: Mapping[str, float]
    """Share of the trials that have learned, by model whose ratio counts."""

    @property
    def paper(self) -> Finding:
        found = self.by_measure["paper"]
        assert isinstance(found, Finding)
        return found

    @property
    def found(self) -> dict[Name, Finding]:
        """Of the measures that say something."""
        return {name: each for name, each in self.by_measure.items() if isinstance(each, Finding)}

    @property
    def asked(self) -> dict[Name, Finding | Silent]:
        """Of the measures that apply."""
        return {name: each for name, each in self.by_measure.items() if isinstance(each, Finding) or each.needed}

    @property
    def p_for(self) -> float:
        """Of "above zero in every measure": 1 while one that is needed is silent or says the opposite."""
        return self._p(sign=1)

    @property
    def p_against(self) -> float:
        """Of "below zero in every measure"."""
        return self._p(sign=-1)

    def _p(self, sign: int) -> float:
        return max(p_of(found, sign) for found in self.asked.values())


def p_of(found: Finding | Silent, sign: int) -> float:
    """p of an effect in a direction; 1 where its interval reaches zero or it cannot be told.

    With few seeds p is of the trained models on other clips, and the interval, which counts other seeds, has no say.
    """
    if isinstance(found, Silent):
        return 1.0
    nearest = found.effect.low if sign > 0 else -found.effect.high
    if found.seeds < FEW:
        nearest = sign * found.effect.estimate
    return found.p if nearest > 0 else 1.0


Measurements = Mapping[Contrast, Measurement | str]
"""A sentence when trials are lacking for a contrast."""


def measure_all(answers: Answers, claims: Iterable[Claim], of: int) -> Measurements:
    """Each different contrast of some claims, of which ``of`` are corrected for, in each measure."""
    contrasts = dict.fromkeys(contrast for claim in claims for contrast in claim.contrasts)
    return {contrast: measure(answers, contrast, of) for contrast in contrasts}


def measure(answers: Answers, contrast: Contrast, claims: int = 1) -> Measurement | str:
    """A contrast in each measure, of one of so many claims; a sentence when trials are lacking for it."""
    sides = [side_of(answers, each) if isinstance(each, Term) else each for each in (contrast.higher, contrast.lower)]
    lacking = [each for each, side in zip((contrast.higher, contrast.lower), sides, strict=True) if side is None]
    if lacking:
        return f"no trial has finished that tells of {lacking[0]}"
    higher, lower = (side for side in sides if side is not None)
    if not len(shared_keys(higher, lower)):
        return f"no two trials share seed and size for {contrast}"
    asked = partial(measured, higher=higher, lower=lower, over=contrast.over)
    by_measure: dict[Name, Finding | Silent] = {name: _finding(asked(name), claims) for name in MEASURES}
    paper = by_measure["paper"]
    if isinstance(paper, Silent):
        return f"{contrast} {paper.why}"
    for name, each in by_measure.items():
        if isinstance(each, Finding) and each.seeds < min(FEW, paper.seeds):
            by_measure[name] = Silent("cannot be told: too few seeds have trials that can be matched", needed=True)
    ratios = [side for side in (higher, lower) if isinstance(side, Side) and side.below is not None]
    learned = {side.term.model: float(side.learned.mean()) for side in ratios}
    return Measurement(contrast, by_measure, _learned_only(higher, lower, contrast, claims), learned)


def _learned_only(higher: Side | float, lower: Side | float, contrast: Contrast, claims: int) -> Finding | None:
    sides = [side for side in (higher, lower) if isinstance(side, Side)]
    if all(side.learned.all() or side.below is None for side in sides):
        return None
    kept = [side.only(side.learned) if isinstance(side, Side) else side for side in (higher, lower)]
    if not len(shared_keys(*kept)):
        return None
    found = _finding(measured("paper", kept[0], kept[1], contrast.over), claims)
    return found if isinstance(found, Finding) else None


def _finding(sample: Sample | Silent, claims: int) -> Finding | Silent:
    if isinstance(sample, Silent):
        return sample
    seeds = sample.per_seed.shape[1]
    if not seeds or np.isnan(sample.per_seed[0]).any():
        return Silent("cannot be told: too few trials have a value", needed=True)
    return Finding(
        effect=interval(sample.per_seed),
        p=mean_p(sample.per_seed) if seeds >= FEW else clip_p(sample.value),
        permutation_p=sample.permutation_p,
        seeds=seeds,
        pairs=sample.pairs,
        needed=seeds_needed(sample.per_seed, level=1 - ALPHA / claims),
    )


def strength(found: Finding | Silent, sign: int) -> float:
    """How much a finding speaks for (sign 1) or against (-1) a contrast, in half widths of its interval."""
    if isinstance(found, Silent):
        return -math.inf
    estimate, low, high = found.effect
    width = (high - low) / 2
    return sign * estimate / width if width > 0 else math.inf * (1 if sign * estimate > 0 else -1)
