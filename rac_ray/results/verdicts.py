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
- *not run*: a contrast lacks trials, or fewer than half of the trials of a model have learned whose ratio counts.

Seeds are the replicates, and p is of the mean over seeds. Beside it stands a permutation's of the paper's measure, of
the two models within seeds, or of sizes within seeds for slopes; by that, five seeds cannot fall below 0.0625.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from rac_ray.results.answers import Answers
from rac_ray.results.at_chance import MOSTLY
from rac_ray.results.claims import DECIDED, Claim
from rac_ray.results.columns import P_VALUES
from rac_ray.results.findings import FEW, Finding, Measurement, Measurements, measure_all, p_of, strength
from rac_ray.results.measures import Name, Silent
from rac_ray.results.statistics import ALPHA, holm

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
    def p(self) -> float:
        """That which shows the ruling; of one that decides nothing the smaller of those in every measure."""
        shown_by = SHOWN_BY.get(self.outcome)
        return getattr(self, shown_by) if shown_by else min(self.p_for, self.p_against)

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
            for name, found in measurement.asked.items()
        ]
        return min(each, key=lambda telling: strength(telling.found, sign), default=None)

    @property
    def _against(self) -> Sequence[Measurement]:
        """The contrast that speaks most against the claim in every measure, or else in the paper's."""
        return sorted(self.measurements, key=lambda each: (each.p_against, _strength(each)))[:1]

    @property
    def split(self) -> bool:
        """Whether the trials that learned, alone, would give another ruling by the paper's measure."""
        learned = [each.learned_only or each.paper for each in self.measurements]
        return _plain_ruling(learned) != _plain_ruling([each.paper for each in self.measurements])

    @property
    def seeds_missing(self) -> int | None:
        """Seeds still needed to decide it as the effects point; 0 when it is decided.

        None when no number would do or it is unknown: where a measure cannot be told, and where measures point apart.
        """
        if self.outcome in DECIDED:
            return 0
        asked = [list(each.asked.values()) for each in self.measurements]
        each_way = (
            _needed([found for of_contrast in asked for found in of_contrast], 1),
            *(_needed(a, -1) for a in asked),
        )
        known = [needed for needed in each_way if needed is not None]
        return max(1, min(known) - self.seeds) if known else None


def _needed(asked: Sequence[Finding | Silent], sign: int) -> int | None:
    """Seeds with which all of some measures would show an effect of this sign as observed; None: no number of them."""
    found = [each for each in asked if isinstance(each, Finding) and sign * each.effect.estimate > 0]
    wanted = [each.needed for each in found if each.needed is not None]
    return max(wanted) if asked and len(wanted) == len(asked) else None


def decided_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """In the order of ``Ruling``, and as they came within one."""
    return sorted(verdicts, key=lambda verdict: get_args(Ruling).index(verdict.outcome))


def judge(answers: Answers, claims: Sequence[Claim]) -> list[Verdict]:
    """A verdict on each claim, corrected over those that could be tested."""
    return rulings(claims, measure_all(answers, claims, len(claims)))


def rulings(claims: Sequence[Claim], measurements: Measurements, mostly: float = MOSTLY) -> list[Verdict]:
    """The same of contrasts that have been measured; ``mostly`` as in ``weighed``."""
    return decided([weighed(claim, measurements, mostly) for claim in claims])


def by_itself(answers: Answers, claim: Claim, claims: int) -> Verdict:
    """What one of so many claims comes to, its p values not corrected over claims."""
    return weighed(claim, measure_all(answers, [claim], claims))


def weighed(claim: Claim, measurements: Measurements, mostly: float = MOSTLY) -> Verdict:
    """A claim's measurements and its p values before they are corrected over claims.

    It has not run unless so many of the trials have learned whose ratios count.
    """
    found = [_enough(measurements[each], mostly) for each in claim.contrasts]
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
        p_for_paper=max(p_of(each.paper, 1) for each in whole),
        p_against_paper=min(1.0, *(count * p_of(each.paper, -1) for each in whole)),
    )


def _enough(found: Measurement | str, mostly: float) -> Measurement | str:
    if isinstance(found, Measurement):
        for model, share in found.learned.items():
            if share < mostly:
                return f"fewer than {mostly:.0%} of the trials of {model} have learned, so its ratios say nothing"
    return found


class Telling(NamedTuple):
    """What decides how far a ruling goes."""

    measurement: Measurement
    measure: Name
    found: Finding | Silent


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
    known = IN_EVERY_MEASURE if verdict.seeds >= FEW else OF_FEW_SEEDS
    if verdict.seeds >= FEW and any(len(each.asked) > 1 for each in verdict.measurements):
        known = {**known, **IN_ONE_MEASURE}
    shown = next((ruling for p, ruling in known.items() if getattr(verdict, p) < ALPHA), "underpowered")
    return replace(verdict, outcome=shown)


IN_EVERY_MEASURE: Mapping[str, Ruling] = {"p_for": "reproduced", "p_against": "contradicted"}
IN_ONE_MEASURE: Mapping[str, Ruling] = {
    "p_for_paper": "reproduced in the paper's measure only",
    "p_against_paper": "contradicted in the paper's measure only",
}
OF_FEW_SEEDS: Mapping[str, Ruling] = {"p_for": "holds for these models", "p_against": "fails for these models"}
"""Rulings by the p that shows them, the first one that does counts."""
SHOWN_BY: Mapping[Ruling, str] = {
    ruling: p for known in (IN_EVERY_MEASURE, IN_ONE_MEASURE, OF_FEW_SEEDS) for p, ruling in known.items()
}
"""The p that shows a ruling, by the ruling."""


def _plain_ruling(findings: Sequence[Finding]) -> str:
    """By one measure and without a correction over claims."""
    if all(each.effect.low > 0 for each in findings):
        return "for"
    return "against" if any(each.effect.high < 0 for each in findings) else "open"


def _strength(measurement: Measurement) -> float:
    return strength(measurement.paper, 1)
