"""Verdicts as a table and as sentences for people who never saw the paper."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rac_ray.counted import counted
from rac_ray.results.claims import Claim, Contrast
from rac_ray.results.findings import FEW, Finding, Measurement
from rac_ray.results.in_plain_words import plainly
from rac_ray.results.measures import Name, Silent
from rac_ray.results.paper import Printed, paper_effect
from rac_ray.results.statistics import ALPHA, NOTHING
from rac_ray.results.verdicts import Ruling, Verdict

CALLED: Mapping[Name, str] = {
    "paper": "as the paper measures",
    "corrected": "chance-corrected",
    "matched": "at matched source accuracy",
}
BECAUSE: Mapping[Name, str] = {
    "paper": "the paper's own measure does not show it",
    "corrected": "a ratio of raw accuracies also rewards a model that knows little and guesses elsewhere",
    "matched": "the models differ in how accurate they are at home, and that may be all",
}
"""What it means that a measure does not show what the paper's does."""
MEANS: Mapping[Ruling, str] = {
    "reproduced": "every measure that applies shows it",
    "contradicted": "every measure that applies shows the opposite",
}
SURE = "not sure enough once it is corrected over all claims"
OTHERS: tuple[Name, ...] = ("corrected", "matched")
INDENT = " " * 14


def verdict_table(verdicts: Sequence[Verdict], printed: Printed | None = None) -> pd.DataFrame:
    """One row per contrast, the claim's outcome on each; claims that have not run, too.

    ``effect low high p`` are in the paper's measure over all trials, ``learned_only`` the same of those that learned;
    ``corrected`` and ``matched``, each with low, high and p, are the other measures. ``claim_p`` counts all of them.
    ``paper`` and ``paper_paired`` are the contrast on the numbers that the paper prints, by its averages and by our
    pairing, and ``carries`` whether they speak for it.
    """
    numbers = printed or Printed()
    rows = [_row(verdict, contrast, numbers) for verdict in verdicts for contrast in verdict.claim.contrasts]
    return pd.DataFrame(rows)


def _row(verdict: Verdict, contrast: Contrast, printed: Printed) -> dict[str, Any]:
    measurement = next((each for each in verdict.measurements if each.contrast == contrast), None)
    paper = measurement.paper if measurement else None
    effect = paper.effect if paper else NOTHING
    row = {
        "claim_id": verdict.claim.claim_id,
        "outcome": verdict.outcome,
        "contrast": str(contrast),
        "effect": effect.estimate,
        "low": effect.low,
        "high": effect.high,
        "p": paper.p if paper else float("nan"),
        "permutation_p": paper.permutation_p if paper else float("nan"),
    }
    for name in OTHERS:
        found = measurement.by_measure[name] if measurement else None
        spread = found.effect if isinstance(found, Finding) else NOTHING
        row |= {name: spread.estimate, f"{name}_low": spread.low, f"{name}_high": spread.high}
        row |= {f"{name}_p": found.p if isinstance(found, Finding) else float("nan")}
    learned = measurement.learned_only if measurement else None
    own = paper_effect(contrast, printed)
    return {
        **row,
        "paper": own.averages,
        "paper_paired": own.paired,
        "carries": own.carries,
        "learned_only": learned.effect.estimate if learned else float("nan"),
        "claim_p": verdict.p_for,
        "claim_p_against": verdict.p_against,
        "claim_p_paper": verdict.p_for_paper,
        "seeds": paper.seeds if paper else 0,
        "pairs": paper.pairs if paper else 0,
        "seeds_missing": verdict.seeds_missing,
        "reason": reason(verdict),
        "where": verdict.claim.where,
        "quote": verdict.claim.quote,
    }


def standing(verdicts: Sequence[Verdict], unfinished: int) -> str:
    """How final verdicts are: over how many claims p values are corrected, and whether that can still change."""
    run = sum(verdict.outcome != "not run" for verdict in verdicts)
    said = f"{run} of {counted(len(verdicts), 'claim')} could be tested; p values are corrected over these"
    return (
        f"{said}. Provisional: {counted(unfinished, 'trial has', 'trials have')} not finished" if unfinished else said
    )


def sentences(verdict: Verdict, printed: Printed | None = None) -> list[str]:
    """A verdict for people: outcome, quote, the three measures of its weakest contrast, the same in the paper where it
    prints them, and why it is not more."""
    claim = verdict.claim
    lines = [f'{verdict.outcome:<12}  {claim.claim_id}: "{claim.quote}" ({claim.where})']
    if (telling := verdict.telling) and verdict.outcome != "not run":
        measurement = telling.measurement
        which = f"weakest of {len(claim.contrasts)}: " if len(claim.contrasts) > 1 else ""
        paper = measurement.paper
        said = plainly(measurement.contrast, paper.effect)
        lines.append(f"{INDENT}{which}{said}; {counted(paper.seeds, 'seed')}, {counted(paper.pairs, 'pair')}")
        lines.append(f"{INDENT}{in_measures(measurement)}{_p(verdict)}")
        lines += [f"{INDENT}{said}" for said in in_the_paper(claim, measurement.contrast, printed or Printed())]
    return [*lines, *([f"{INDENT}{said}"] if (said := reason(verdict)) else [])]


def in_measures(measurement: Measurement) -> str:
    """Each measure's effect with its interval, those that are not asked left out."""
    return "; ".join(f"{CALLED[name]} {_effect(found)}" for name, found in measurement.asked.items())


def in_the_paper(claim: Claim, contrast: Contrast, printed: Printed) -> list[str]:
    """What the paper's own numbers say of a contrast, and how many of its claim's they carry; empty: it prints none."""
    each = [paper_effect(one, printed).carries for one in claim.contrasts]
    known = [carries for carries in each if carries != "not printed"]
    if not known:
        return []
    own = paper_effect(contrast, printed)
    said = [str(own)] if own.carries != "not printed" else []
    if set(known) != {"yes"}:
        told = f"of {counted(len(known), 'contrast')} that the paper prints, its own numbers carry {known.count('yes')}"
        unsure = known.count("both ways")
        said.append(told + (f"; {unsure} hang on how they are averaged" if unsure else ""))
    return said


def reason(verdict: Verdict) -> str:
    """Why a verdict is not more than it is, in sentences; empty where there is nothing to say."""
    if verdict.outcome == "not run":
        return verdict.lacking
    said = []
    if verdict.outcome.endswith("measure only") and (telling := verdict.telling):
        name, found = telling.measure, telling.found
        why = SURE if isinstance(found, Finding) and found.p < ALPHA else BECAUSE[name]
        said.append(f"{CALLED[name]} it {'' if isinstance(found, Silent) else 'is '}{_effect(found)}: {why}")
    if verdict.outcome.endswith("these models"):
        said.append(
            f"with {counted(verdict.seeds, 'seed')} only clips are replicates: this is about the models that were "
            f"trained, not about their architectures, for which at least {_more(verdict)} needed"
        )
    if verdict.outcome == "underpowered":
        said.append(_missing(verdict))
    if verdict.split:
        said.append("by the trials that learned, alone, the paper's measure would rule otherwise")
    return "; ".join(said)


def _missing(verdict: Verdict) -> str:
    """What it would take to decide, in words."""
    if verdict.seeds < FEW:
        return f"at least {_more(verdict)} needed to decide anything"
    if verdict.seeds_missing is None:
        return "more seeds alone would not decide it, were the effect as observed: it is small for so few clips"
    return f"{counted(verdict.seeds_missing, 'more seed')} would decide it, were the effect as observed"


def _more(verdict: Verdict) -> str:
    missing = FEW - verdict.seeds
    return f"{counted(missing, 'more seed')} {'is' if missing == 1 else 'are'}"


def _effect(found: Finding | Silent) -> str:
    if isinstance(found, Silent):
        return found.why
    estimate, low, high = found.effect
    return f"{estimate:+.3f} [{low:+.3f}, {high:+.3f}]"


def _p(verdict: Verdict) -> str:
    if np.isnan(verdict.p_for):
        return ""
    return f"; p {min(verdict.p_for, verdict.p_against):.3f} (in every measure; Holm)"
