"""What a sweep says to its study's claims.

Each contrast of a claim is measured in three ways (``measures``): as the paper does, chance-corrected, and at matched
source accuracy. A ruling is one of:

- *reproduced*: every contrast is above zero in every measure that applies to it. The largest of their p counts
  (an intersection-union test, Berger 1982), is corrected by Holm over all claims that could be tested, and is below
  0.05.
- *contradicted*: the opposite of one contrast, likewise in every measure, its p corrected for the number of contrasts.
- *reproduced* (or *contradicted*) *in the paper's measure only*: the paper's statistic shows it, and another measure
  does not.
- *holds* (or *fails*) *for these models*: with fewer than three seeds. The trained models are taken as they are and
  only clips are replicates; nothing is said about their architectures.
- *underpowered*: none of these; with the number of seeds that an effect as observed would need.
- *not run*: a contrast lacks trials, or fewer than half of the trials of a model have learned.

Seeds are the replicates, and p is of the mean over seeds. Beside it stands a permutation's of the paper's measure, of
the two models within seeds, or of sizes within seeds for slopes; by that, five seeds cannot fall below 0.0625.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

from rac_ray.results.answers import Answers
from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.results.measures import MEASURES, NOBODY, Name, Sample, Silent, measured
from rac_ray.results.sides import Side, shared_keys, side_of
from rac_ray.results.statistics import CONFIDENCE, Estimate, clip_p, holm, interval, mean_p, seeds_needed

Ruling = Literal[
    "reproduced",
    "contradicted",
    "reproduced in the paper's measure only",
    "contradicted in the paper's measure only",
    "holds for these models",
    "fails for these models",
    "underpowered",
    "not run",
]
DECIDED: tuple[Ruling, ...] = ("reproduced", "contradicted")
ALPHA = 1 - CONFIDENCE
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
    def p_for(self) -> float:
        """Of "above zero in every measure": 1 while one that is needed is silent or says the opposite."""
        return self._p(sign=1)

    @property
    def p_against(self) -> float:
        """Of "below zero in every measure"."""
        return self._p(sign=-1)

    def _p(self, sign: int) -> float:
        each = [_p_of(found, sign) for found in self.by_measure.values()]
        return max(p for p in each if p is not None)


def _p_of(found: Finding | Silent, sign: int) -> float | None:
    """p of an effect in a direction; None of a measure that is not asked."""
    if isinstance(found, Silent):
        return 1.0 if found.needed else None
    return found.p if sign * found.effect.estimate > 0 else 1.0


@dataclass(frozen=True)
class Verdict:
    """What became of one claim."""

    claim: Claim
    outcome: Ruling
    measurements: tuple[Measurement, ...]
    p_for: float = float("nan")
    """p value of the claim in every measure, corrected over claims once it is decided."""
    p_against: float = float("nan")
    """p value of the claim's opposite, likewise."""
    p_for_paper: float = float("nan")
    """The same in the paper's measure alone."""
    p_against_paper: float = float("nan")
    lacking: str = ""
    """Why it has not run."""

    @property
    def seeds(self) -> int:
        """Fewest seeds that a contrast stands on."""
        return min((each.paper.seeds for each in self.measurements), default=0)

    @property
    def weakest(self) -> Measurement | None:
        """The contrast whose paper's measure speaks least for the claim, relative to its uncertainty."""
        return min(self.measurements, key=_strength) if self.measurements else None

    @property
    def telling(self) -> "Telling | None":
        """Which contrast, in which measure, speaks least for the ruling (in the paper's sense for it or against it)."""
        sign = -1 if self.outcome.startswith(("contradicted", "fails")) else 1
        each = [
            Telling(measurement, name, found)
            for measurement in (self._against if sign < 0 else self.measurements)
            for name, found in measurement.by_measure.items()
            if isinstance(found, Finding) or found.needed
        ]
        return min(each, key=lambda telling: _least(telling.found, sign), default=None)

    @property
    def _against(self) -> Sequence[Measurement]:
        """The contrast that speaks most against the claim in the paper's measure."""
        return sorted(self.measurements, key=_strength)[:1]

    @property
    def split(self) -> bool:
        """Whether the trials that learned, alone, would give another ruling by the paper's measure."""
        learned = [each.learned_only or each.paper for each in self.measurements]
        return _plain_ruling(learned) != _plain_ruling([each.paper for each in self.measurements])

    @property
    def seeds_missing(self) -> int | None:
        """Seeds still needed to decide; 0 when it is decided, None when no number would do or it is unknown."""
        if self.outcome in DECIDED:
            return 0
        open_ones = [
            found for each in self.measurements for found in each.found.values() if not found.effect.low > 0
        ]  # fmt: skip
        wanted = [each.needed for each in open_ones or [each.paper for each in self.measurements]]
        if not wanted or any(needed is None for needed in wanted):
            return None
        return max(1, max(needed or 0 for needed in wanted) - self.seeds)


def judge(answers: Answers, claims: Sequence[Claim]) -> list[Verdict]:
    """A verdict on each claim, corrected over those that could be tested."""
    return decided([tested(answers, claim, len(claims)) for claim in claims])


def tested(answers: Answers, claim: Claim, claims: int) -> Verdict:
    """A claim's measurements and its p values before they are corrected over so many claims."""
    found = [measure(answers, each, claims) for each in claim.contrasts]
    whole = tuple(each for each in found if isinstance(each, Measurement))
    if len(whole) < len(found):
        return Verdict(claim, "not run", whole, lacking=next(each for each in found if isinstance(each, str)))
    count = len(whole)
    return Verdict(
        claim,
        "underpowered",
        whole,
        p_for=max(each.p_for for each in whole),
        p_against=min(1.0, *(count * each.p_against for each in whole)),
        p_for_paper=max(_p_of(each.paper, 1) or 0.0 for each in whole),
        p_against_paper=min(1.0, *(count * (_p_of(each.paper, -1) or 0.0) for each in whole)),
    )


class Telling(NamedTuple):
    """What decides how far a ruling goes."""

    measurement: Measurement
    measure: Name
    found: Finding | Silent


P_VALUES = ("p_for", "p_against", "p_for_paper", "p_against_paper")


def decided(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Rulings on tested claims: their p corrected by Holm over those that could be tested, each kind by itself."""
    run = [place for place, verdict in enumerate(verdicts) if verdict.outcome != "not run"]
    corrected = {name: holm([getattr(verdicts[place], name) for place in run]) for name in P_VALUES}
    ruled = list(verdicts)
    for number, place in enumerate(run):
        p_values = {name: float(each[number]) for name, each in corrected.items()}
        ruled[place] = _ruled(replace(verdicts[place], **p_values))
    return ruled


def _ruled(verdict: Verdict) -> Verdict:
    few = verdict.seeds < FEW
    rulings: Mapping[str, tuple[Ruling, Ruling]] = {
        "p_for": ("reproduced", "holds for these models"),
        "p_against": ("contradicted", "fails for these models"),
        "p_for_paper": ("reproduced in the paper's measure only", "underpowered"),
        "p_against_paper": ("contradicted in the paper's measure only", "underpowered"),
    }
    shown = next((names[few] for p, names in rulings.items() if getattr(verdict, p) < ALPHA), "underpowered")
    return replace(verdict, outcome=shown)


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
    if by_measure["corrected"] == NOBODY:
        return f"fewer than half of the trials have learned for {contrast}"
    return Measurement(contrast, by_measure, _learned_only(higher, lower, contrast, claims))


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
    if not seeds:
        return Silent("cannot be told: no trial has a ratio", needed=True)
    replicates = sample.per_seed if seeds >= FEW else sample.value[:, None]
    return Finding(
        effect=interval(replicates),
        p=mean_p(replicates) if seeds >= FEW else clip_p(sample.value),
        permutation_p=sample.permutation_p,
        seeds=seeds,
        pairs=sample.pairs,
        needed=seeds_needed(sample.per_seed, level=1 - ALPHA / claims),
    )


def _plain_ruling(findings: Sequence[Finding]) -> str:
    """By one measure and without a correction over claims."""
    if all(each.effect.low > 0 for each in findings):
        return "for"
    return "against" if any(each.effect.high < 0 for each in findings) else "open"


def _strength(measurement: Measurement) -> float:
    return _least(measurement.paper, 1)


def _least(found: Finding | Silent, sign: int) -> float:
    """How much a finding speaks for (sign 1) or against (-1) a contrast, in half widths of its interval."""
    if isinstance(found, Silent):
        return -math.inf
    estimate, low, high = found.effect
    width = (high - low) / 2
    return sign * estimate / width if width > 0 else math.inf * (1 if sign * estimate > 0 else -1)
