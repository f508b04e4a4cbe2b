"""Verdicts as a table, and what is said of them to people who never saw the paper."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd

from rac_ray.counted import counted
from rac_ray.results.claims import Contrast
from rac_ray.results.findings import FEW, Finding
from rac_ray.results.formats import p_in_words
from rac_ray.results.measures import Name, Silent
from rac_ray.results.paper import Printed, paper_effect
from rac_ray.results.sheet import rounded
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
P_COLUMNS = (
    "p", "permutation_p", "corrected_p", "matched_p", "claim_p", "claim_p_against", "claim_p_paper",
)  # fmt: skip


def verdict_table(verdicts: Sequence[Verdict], printed: Printed | None = None) -> pd.DataFrame:
    """One row per contrast, the claim's outcome on each; claims that have not run, too.

    ``effect low high p`` are in the paper's measure over all trials, ``learned_only`` the same of those that learned;
    ``corrected`` and ``matched``, each with low, high and p, are the other measures. ``claim_p`` counts all of them.
    ``paper`` and ``paper_paired`` are the contrast on the numbers that the paper prints, by its averages and by our
    pairing, and ``carries`` whether they speak for it.
    """
    numbers = printed or Printed()
    rows = [_row(verdict, contrast, numbers) for verdict in verdicts for contrast in verdict.claim.contrasts]
    table = pd.DataFrame(rows)
    return table.astype({"seeds_missing": "Int64"}) if len(table) else table


def shown_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """A verdict table as text, its p values as everywhere else."""
    return rounded(table.assign(**{name: table[name].map(_p_or_dash) for name in P_COLUMNS if name in table}))


def _p_or_dash(p: float) -> str:
    return "-" if np.isnan(p) else p_in_words(p)


def _row(verdict: Verdict, contrast: Contrast, printed: Printed) -> dict[str, Any]:
    tested = verdict.measurements if verdict.outcome != "not run" else ()
    measurement = next((each for each in tested if each.contrast == contrast), None)
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
        "seeds_missing": None if verdict.outcome == "not run" else verdict.seeds_missing,
        "reason": reason(verdict),
        "where": verdict.claim.where,
        "quote": verdict.claim.quote,
    }


def standing(verdicts: Sequence[Verdict], unfinished: int) -> str:
    """How many verdicts of each kind there are, over how many p values are corrected, and whether that can still
    change."""
    run = sum(verdict.outcome != "not run" for verdict in verdicts)
    counts = Counter(verdict.outcome for verdict in verdicts)
    tally = ", ".join(f"{counts[ruling]} {ruling}" for ruling in get_args(Ruling) if counts[ruling])
    said = f"{run} of {counted(len(verdicts), 'claim')} could be tested; p values are corrected over these"
    said = f"{tally}. {said}" if tally else said
    left = counted(unfinished, "trial has", "trials have")
    return f"{said}. Provisional: {left} not finished" if unfinished else said


def p_in_short(verdict: Verdict) -> str:
    """``p 0.011 (Holm)`` of the side and the measures that the ruling took; empty for a claim that has not run."""
    if np.isnan(verdict.p_for):
        return ""
    return f"p {p_in_words(verdict.p)} (Holm)"


def reason(verdict: Verdict) -> str:
    """The first cause why a verdict is not more than it is; empty where there is none."""
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
    return next(iter(said), "")


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
