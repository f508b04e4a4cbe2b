"""What a sweep says to its study's claims: reproduced, contradicted, underpowered or not run.

- *reproduced*: every contrast's 95% interval lies above zero, and the claim's p, corrected by Holm over all claims
  that could be tested, is below 0.05. A claim of several contrasts holds only if all do, so that the largest of their
  p counts and nothing else is corrected (an intersection-union test, Berger 1982).
- *contradicted*: the same for the opposite of one contrast, its p and interval corrected for their number.
- *underpowered*: neither; with the number of seeds that an effect as observed would need.
- *not run*: a contrast lacks trials; for ratios, trials that have learned: guessing has a ratio of 1.

Seeds are the replicates, and p is of the mean over seeds. Beside it stands a permutation's, of the two models within
seeds, or of sizes within seeds for slopes; by that, five seeds cannot fall below 0.0625. With fewer than three seeds
nothing is decided.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rac_ray.results.answers import Answers, Draws
from rac_ray.results.claims import Claim, Contrast, Term
from rac_ray.results.columns import EXPERIMENT, SIZE_NAME
from rac_ray.results.statistics import (
    CONFIDENCE,
    NOTHING,
    Estimate,
    holm,
    interval,
    mean_p,
    seeds_needed,
    sign_flip_p,
    slopes,
    trend_p,
)

Ruling = Literal["reproduced", "contradicted", "underpowered", "not run"]
ALPHA = 1 - CONFIDENCE
MOSTLY = 0.5
"""Share of a model's trials that must have learned for a claim on its ratios, which then stands on those that have."""
FEW = 3
"""Seeds without which nothing is decided."""


@dataclass(frozen=True)
class Measurement:
    """What was measured of one contrast."""

    contrast: Contrast
    effect: Estimate
    """Higher minus lower; positive speaks for the claim."""
    strict: Estimate
    """The same at a level corrected for the number of contrasts of the claim."""
    p: float
    """p value of the mean over seeds."""
    permutation_p: float
    seeds: int
    pairs: int
    """Trials, or pairs of trials."""
    needed: int | None
    """Seeds that would show an effect like this one; None: no number of them, or unknown."""


@dataclass(frozen=True)
class Verdict:
    """What became of one claim."""

    claim: Claim
    outcome: Ruling
    findings: tuple[Measurement, ...]
    p_for: float = float("nan")
    """p value of the claim, corrected over claims."""
    p_against: float = float("nan")
    """p value of the claim's opposite, likewise."""

    @property
    def weakest(self) -> Measurement | None:
        """The finding that speaks least for the claim, relative to its uncertainty."""
        return min(self.findings, key=_strength) if self.findings else None

    @property
    def seeds_missing(self) -> int | None:
        """Seeds still needed to decide; 0 when it is decided, None when no number would do or it is unknown."""
        if self.outcome in ("reproduced", "contradicted"):
            return 0
        open_ones = [each for each in self.findings if each.effect.low <= 0]
        wanted = [each.needed for each in open_ones or self.findings]
        if not wanted or any(needed is None for needed in wanted):
            return None
        return max(1, max(needed or 0 for needed in wanted) - min(each.seeds for each in self.findings))


def judge(answers: Answers, claims: Sequence[Claim]) -> list[Verdict]:
    """A verdict on each claim, corrected over those that could be tested."""
    return decided([tested(answers, claim, len(claims)) for claim in claims])


def decided(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Verdicts with their p values corrected over the claims that could be tested, and what follows from them."""
    verdicts = list(verdicts)
    run = [place for place, verdict in enumerate(verdicts) if verdict.outcome != "not run"]
    for_it, against = (holm([getattr(verdicts[place], name) for place in run]) for name in ("p_for", "p_against"))
    for place, p_for, p_against in zip(run, for_it, against, strict=True):
        verdicts[place] = _decided(replace(verdicts[place], p_for=float(p_for), p_against=float(p_against)))
    return verdicts


def tested(answers: Answers, claim: Claim, claims: int) -> Verdict:
    """What one of so many claims comes to by itself: p values for and against it, not corrected over claims."""
    count = len(claim.contrasts)
    findings = tuple(found for each in claim.contrasts if (found := measure(answers, each, count, claims)))
    if len(findings) < count:
        return Verdict(claim, "not run", findings)
    p_for = max(each.p if each.effect.estimate > 0 else 1.0 for each in findings)
    p_against = min(1.0, *(count * each.p if each.strict.high < 0 else 1.0 for each in findings))
    return Verdict(claim, "underpowered", findings, p_for, p_against)


def _decided(verdict: Verdict) -> Verdict:
    if min(each.seeds for each in verdict.findings) < FEW:
        return verdict
    if verdict.p_for < ALPHA and all(each.effect.low > 0 for each in verdict.findings):
        return replace(verdict, outcome="reproduced")
    if verdict.p_against < ALPHA:
        return replace(verdict, outcome="contradicted")
    return verdict


def measure(answers: Answers, contrast: Contrast, contrasts: int = 1, claims: int = 1) -> Measurement | None:
    """A contrast's effect on the trials that both sides have; None when there are none.

    It is one of so many contrasts of its claim, which is one of so many claims.
    """
    higher, lower = (_side(answers, each) for each in (contrast.higher, contrast.lower))
    keys = _shared_keys(higher, lower)
    if not len(keys):
        return None
    differences = higher.at(keys) - lower.at(keys)
    per_seed, permutation_p = (_trend if contrast.over == "slope" else _mean)(differences, keys)
    if not per_seed.shape[1]:
        return None
    return Measurement(
        contrast,
        effect=interval(per_seed),
        strict=interval(per_seed, level=1 - ALPHA / contrasts),
        p=mean_p(per_seed),
        permutation_p=permutation_p,
        seeds=per_seed.shape[1],
        pairs=len(keys),
        needed=seeds_needed(per_seed, level=1 - ALPHA / claims),
    )


@dataclass(frozen=True)
class _Side:
    """One side of a contrast: a constant, or values (1 + D, N) with the column of each (seed, stratum, size)."""

    values: Draws
    places: pd.Series | None

    def at(self, keys: pd.Index) -> Draws:
        """(1 + D, len(keys)), or what broadcasts to it."""
        return self.values if self.places is None else self.values[:, self.places.loc[keys].to_numpy()]


def _side(answers: Answers, term: Term | float) -> _Side:
    if not isinstance(term, Term):
        return _Side(np.array([[term]]), None)
    trials, strata = answers.trials, [EXPERIMENT, None] if term.experiments else ["hidden_units", SIZE_NAME]
    wanted = {"model": [term.model], "source": [term.source]}
    wanted |= {"hidden_units": list(term.sizes)} if term.sizes else {}
    wanted |= {EXPERIMENT: list(term.experiments)} if term.experiments else {}
    chosen = np.ones(len(trials), bool)
    for name, valid in wanted.items():
        chosen &= trials[name].isin(valid).to_numpy()
    if term.against is not None and chosen.any():
        learned = trials["learned"].to_numpy(bool)
        chosen &= learned & (learned[chosen].mean() >= MOSTLY)
    places = np.flatnonzero(chosen)
    values = _values(answers, term, places) if len(places) else np.empty((1, 0))
    places, values = places[~np.isnan(values[0])], values[:, ~np.isnan(values[0])]
    keys = [trials[name].iloc[places] if name else np.full(len(places), "") for name in ("seed", *strata)]
    index = pd.MultiIndex.from_arrays(keys, names=["seed", "stratum", "size"])
    return _Side(values, pd.Series(range(len(places)), index=index))


def _shared_keys(*sides: _Side) -> pd.Index:
    """(seed, stratum, size) of the trials that both sides have."""
    first, *others = [side.places.index for side in sides if side.places is not None]
    for other in others:
        first = first.intersection(other)
    return first


def _values(answers: Answers, term: Term, places: NDArray[np.int64]) -> Draws:
    parts = [(target, term.split) for target in term.targets]
    return np.mean([answers.relative(part, term.against, places) for part in parts], axis=0)


def _mean(differences: Draws, keys: pd.Index) -> tuple[Draws, float]:
    seeds = keys.get_level_values("seed").to_numpy()
    per_seed = np.stack([differences[:, seeds == seed].mean(axis=1) for seed in np.unique(seeds)], axis=1)
    return per_seed, sign_flip_p(per_seed[0])


def _trend(differences: Draws, keys: pd.Index) -> tuple[Draws, float]:
    """Slopes per doubling of the sizes that at least half of the seeds have, of the seeds that have them all."""
    columns = pd.Series(range(len(keys)), index=keys).unstack(["stratum", "size"])
    columns = columns.loc[:, columns.notna().mean() >= 0.5].dropna(axis=0)
    if columns.shape[1] < 2 or not len(columns):
        return np.empty((len(differences), 0)), 1.0
    columns = columns.sort_index(axis=1)
    doublings = np.log2(columns.columns.get_level_values("stratum").to_numpy(float))
    rows = differences[:, columns.to_numpy(int)]
    return slopes(rows, doublings), trend_p(rows[0], doublings)


def _strength(finding: Measurement) -> float:
    estimate, low, high = finding.effect
    width = (high - low) / 2
    return estimate / width if width > 0 else math.inf * (1 if estimate > 0 else -1)


def verdict_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """One row per contrast, the claim's outcome on each; claims that have not run, too."""
    rows = []
    for verdict in verdicts:
        found = {finding.contrast: finding for finding in verdict.findings}
        for contrast in verdict.claim.contrasts:
            finding = found.get(contrast)
            effect = finding.effect if finding else NOTHING
            rows.append(
                {
                    "claim_id": verdict.claim.claim_id,
                    "outcome": verdict.outcome,
                    "contrast": str(contrast),
                    "effect": effect.estimate,
                    "low": effect.low,
                    "high": effect.high,
                    "p": finding.p if finding else float("nan"),
                    "permutation_p": finding.permutation_p if finding else float("nan"),
                    "claim_p": verdict.p_for,
                    "seeds": finding.seeds if finding else 0,
                    "pairs": finding.pairs if finding else 0,
                    "seeds_missing": verdict.seeds_missing,
                    "where": verdict.claim.where,
                    "quote": verdict.claim.quote,
                }
            )
    return pd.DataFrame(rows)


def standing(verdicts: Sequence[Verdict], unfinished: int) -> str:
    """How final verdicts are: over how many claims p values are corrected, and whether that can still change."""
    run = sum(verdict.outcome != "not run" for verdict in verdicts)
    said = f"{run} of {len(verdicts)} claims could be tested; p values are corrected over these"
    return f"{said}. Provisional: {unfinished} trials have not finished" if unfinished else said


def sentences(verdict: Verdict) -> list[str]:
    """A verdict for people: outcome, quote, the weakest contrast with its figures, what is missing."""
    lines = [f'{verdict.outcome:<12}  {verdict.claim.claim_id}: "{verdict.claim.quote}" ({verdict.claim.where})']
    finding = verdict.weakest
    if finding is None:
        return lines
    effect, count = finding.effect, len(verdict.claim.contrasts)
    which = f"weakest of {count}: " if count > 1 else ""
    p = "" if np.isnan(verdict.p_for) else f", p {min(verdict.p_for, verdict.p_against):.3f} (Holm)"
    lines.append(
        f"{'':12}  {which}{finding.contrast}: {effect.estimate:+.3f} [{effect.low:+.3f}, {effect.high:+.3f}]"
        f"{p}, {finding.seeds} seeds, {finding.pairs} pairs"
    )
    if verdict.outcome == "underpowered":
        lines.append(f"{'':12}  {_missing(verdict)}")
    return lines


def _missing(verdict: Verdict) -> str:
    """What it would take to decide, in words."""
    missing, fewest = verdict.seeds_missing, min(each.seeds for each in verdict.findings)
    if fewest < FEW:
        return f"at least {FEW - fewest} more seeds are needed to decide anything"
    if missing is None:
        return "more seeds alone would not decide it, were the effect as observed: it is small for so few clips"
    return f"{missing} more seeds would decide it, were the effect as observed"
