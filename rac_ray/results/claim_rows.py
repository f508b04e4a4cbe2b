"""Claims as a report lists them: a row each, and the contrasts behind it for who opens the row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rac_ray.results.findings import FEW, Finding, Measurement
from rac_ray.results.formats import TOO_FEW_SEEDS, p_in_words
from rac_ray.results.in_plain_words import plainly
from rac_ray.results.looks import LOOKS, look_of
from rac_ray.results.measures import Silent
from rac_ray.results.names import Domains
from rac_ray.results.paper import PaperEffect, Printed, paper_effect
from rac_ray.results.statistics import Estimate
from rac_ray.results.verdict_words import CALLED, MEANS, reason
from rac_ray.results.verdicts import Verdict, decided_first
from rac_ray.store.redaction import without_credentials

NOT_PRINTED = "not printed"
UNKNOWN = float("nan")


@dataclass(frozen=True)
class ClaimRow:
    """One claim, as text."""

    recipe: str
    """Of which recipe, where a sweep has several."""
    ruling: str
    quote: str
    where: str
    effect: str
    """What was seen, in plain words, of the contrast that tells."""
    paper: str
    """The same difference in the numbers that the paper prints."""
    seeds: str
    """How many more seeds would decide it."""
    means: str
    """Why the ruling is not more than it is."""
    contrasts: Sequence[Sequence[str]] = ()
    """By contrast: what was seen, each of three measures, the paper's difference."""

    @property
    def is_printed(self) -> bool:
        """Whether the paper prints numbers of any of its contrasts."""
        return {self.paper, *(row[-1] for row in self.contrasts)} != {NOT_PRINTED}

    def value(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            **vars(self),
            "means": without_credentials(self.means),
            "contrasts": [list(row) for row in self.contrasts],
        }


def claim_rows(
    verdicts: Sequence[Verdict], printed: Printed | None, domains: Domains, recipe: str = ""
) -> list[ClaimRow]:
    """A row for each verdict, those that are decided first."""
    return [_row(verdict, printed or Printed(), domains, recipe) for verdict in decided_first(verdicts)]


def _row(verdict: Verdict, printed: Printed, domains: Domains, recipe: str) -> ClaimRow:
    claim, telling = verdict.claim, verdict.telling if verdict.outcome != "not run" else None
    means = with_names(reason(verdict) or MEANS[verdict.outcome], domains)
    return ClaimRow(
        recipe,
        verdict.outcome,
        claim.quote,
        claim.where,
        seen(telling.measurement, domains) if telling else f"not tested: {means}",
        _printed(paper_effect(telling.measurement.contrast, printed)) if telling else NOT_PRINTED,
        more_seeds(verdict),
        means,
        [_contrast(each, printed, domains) for each in verdict.measurements if telling],
    )


def seen(measurement: Measurement, domains: Domains) -> str:
    """What was found of a contrast in the paper's measure; without an interval where seeds are too few for one."""
    paper = measurement.paper
    if paper.seeds < FEW:
        effect = Estimate(paper.effect.estimate, UNKNOWN, UNKNOWN)
        return f"{plainly(measurement.contrast, effect, domains)}; {TOO_FEW_SEEDS}"
    return plainly(measurement.contrast, paper.effect, domains)


def more_seeds(verdict: Verdict) -> str:
    """``4 more seeds``, or why there is no number."""
    if verdict.outcome == "not run":
        return "-"
    if verdict.seeds < FEW:
        return f"at least {FEW - verdict.seeds} more"
    missing = verdict.seeds_missing
    return "seeds alone would not do" if missing is None else f"{missing} more" if missing else "none"


def _contrast(measurement: Measurement, printed: Printed, domains: Domains) -> list[str]:
    found = [_measured(measurement.by_measure[name]) for name in CALLED]
    return [seen(measurement, domains), *found, _printed(paper_effect(measurement.contrast, printed))]


def with_names(sentence: str, domains: Domains) -> str:
    """A sentence with names of models and domains in place of their keys."""
    called = {**{key: look_of(key).label for key in LOOKS}, **{key: words.label for key, words in domains.items()}}
    keys = "|".join(sorted(map(re.escape, called), key=len, reverse=True))
    return re.sub(rf"\b({keys})\b", lambda found: called[found[0]], sentence)


def _measured(found: Finding | Silent) -> str:
    if isinstance(found, Silent):
        return found.why
    if found.seeds < FEW:
        return f"{found.effect.estimate:+.2f}"
    estimate, low, high = found.effect
    return f"{estimate:+.2f} [{low:+.2f}, {high:+.2f}], p {p_in_words(found.p)}"


def _printed(effect: PaperEffect) -> str:
    known = effect.averages if effect.averages == effect.averages else effect.paired
    return NOT_PRINTED if effect.carries == "not printed" else f"{known:+.2f}"
