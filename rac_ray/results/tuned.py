"""Two recipes side by side: as given and as a search chose, the study's own training clips and others."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rac_ray.counted import counted
from rac_ray.results.at_chance import guesses
from rac_ray.results.columns import DIFFERENCE, EXPERIMENT, SIZE_NAME, VARIANT
from rac_ray.results.findings import FEW
from rac_ray.results.formats import signed
from rac_ray.results.recipes import READINGS, value_of
from rac_ray.results.statistics import interval
from rac_ray.results.verdicts import Verdict
from rac_ray.sweep.search import tuned_fields

WHAT = ["source", "model", SIZE_NAME, "hidden_units", "target", "split"]
COMPARED = ("top1", "robustness_ratio", "chance_corrected_ratio")
BEFORE_AND_AFTER_COLUMNS = [
    *WHAT, "role", "measure", "as_given", "tuned", "difference", "low", "high", "seeds",
]  # fmt: skip


def pairs_of(trials: pd.DataFrame) -> dict[str, str]:
    """By what trials with a chosen recipe are told apart, what those are told apart by that have the given one."""
    told = set(trials[DIFFERENCE])
    found = {}
    for recipe, variant in trials[[DIFFERENCE, VARIANT]].drop_duplicates().itertuples(index=False):
        if tuned_fields(variant):
            before = READINGS[VARIANT](variant.rpartition("; ")[0])
            given = recipe.replace(variant, before)
            if given in told:
                found[recipe] = given
    return found


def other_clips(trials: pd.DataFrame, variants: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """By what trials are told apart that trained on other clips than the study's own, what those are told apart by
    that differ in this alone. ``variants`` has the values of the study's, its own first."""
    told, found = sorted(set(map(str, trials[DIFFERENCE]))), {}
    for recipe in told:
        parts = recipe.split(", ")
        for name, (own, *others) in variants.items():
            readings = {value_of(name, other): value_of(name, own) for other in others}
            given = ", ".join(readings.get(part, part) for part in parts)
            if given != recipe and given in told:
                found[recipe] = given
    return found


def before_and_after(given: pd.DataFrame, tuned: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds that both have, from the evaluations of each, and the mean difference by seed.

    Columns as_given, tuned, difference (tuned less as given) with its 95% interval over seeds; ``measure`` is top1 or,
    of targets, one of the ratios, which a model at chance on either side has not. Experiments are compared each with
    itself, and count once for a seed.
    """
    both = given.merge(tuned, on=[*WHAT, EXPERIMENT, "role", "seed"], suffixes=("_given", "_tuned"))
    rows = []
    groups: Any = both.groupby([*WHAT, "role"], sort=False)
    for key, group in groups:
        able = not any(guesses(group[f"learned_{side}"].to_numpy(bool)) for side in ("given", "tuned"))
        by_seed = group.groupby("seed")[[f"{name}_{side}" for name in COMPARED for side in ("given", "tuned")]].mean()
        for measure in COMPARED if key[-1] == "target" else COMPARED[:1]:
            before, after = by_seed[f"{measure}_given"].to_numpy(float), by_seed[f"{measure}_tuned"].to_numpy(float)
            means = (before.mean(), after.mean(), *interval((after - before)[None]))
            told = means if able or measure == "top1" else [math.nan] * len(means)
            rows.append((*key, measure, *told, len(by_seed)))
    return pd.DataFrame(rows, columns=BEFORE_AND_AFTER_COLUMNS)


def side_by_side(table: pd.DataFrame) -> list[str]:
    """``40.0 to 44.4: +4.4 [+1.1, +7.7]`` of each row of ``before_and_after``; top-1 in %; a dash for none."""
    scales = [100 if measure == "top1" else 1 for measure in table["measure"]]
    numbers = table[["as_given", "tuned", "difference", "low", "high"]].mul(scales, axis=0).to_numpy(float)
    told = []
    for (before, after, *difference), seeds, scale in zip(numbers, table["seeds"], scales, strict=True):
        digits = 1 if scale == 100 else 3
        said = signed(*difference, enough=seeds >= FEW, digits=digits)
        told.append(said if math.isnan(before) else f"{before:.{digits}f} to {after:.{digits}f}: {said}")
    return told


def verdict_changes(given: Sequence[Verdict], tuned: Sequence[Verdict]) -> pd.DataFrame:
    """Each claim's verdict as given and tuned, and whether they differ."""
    after = {verdict.claim.claim_id: verdict.outcome for verdict in tuned}
    rows = [
        (each.claim.claim_id, each.outcome, after[each.claim.claim_id], each.outcome != after[each.claim.claim_id])
        for each in given
    ]
    return pd.DataFrame(rows, columns=["claim_id", "as_given", "tuned", "changed"])


def changes_in_words(changes: Mapping[str, pd.DataFrame], what: str) -> list[str]:
    """A sentence for each recipe of whether it changes a verdict, ``what`` being its difference."""
    lines = []
    for recipe, table in changes.items():
        changed = table.query("changed")
        told = "; ".join(
            f"{claim} from {before} to {after}"
            for claim, before, after in changed[["claim_id", "as_given", "tuned"]].itertuples(index=False)
        )
        said = f"changes {len(changed)} of {counted(len(table), 'verdict')}" if len(changed) else "changes no verdict"
        lines.append(f"{recipe}: {what} {said}{': ' if told else ''}{told}")
    return lines
