"""What a sweep came to in three sentences for somebody who sees it for the first time."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from rac_ray.counted import counted
from rac_ray.results.looks import look_of
from rac_ray.results.names import domain_name

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis


def in_short(analysis: "Analysis") -> list[str]:
    """Three sentences for each source that has results: who learned, which domains are hard, which models keep most."""
    return [line for source in analysis.answers.sources for line in _of_source(analysis, source)]


def _of_source(analysis: "Analysis", source: str) -> list[str]:
    accuracy = analysis.accuracy.query(f"source == {source!r}")
    own, targets = accuracy.query("role == 'source_test'"), accuracy.query("role == 'target'")
    by_target = means(targets, "target")
    if own.empty or len(by_target) < 2:
        return []
    (near, most), *_, (far, least) = by_target
    guessing = _percent(analysis.answers.chance(source))
    return [
        f"{_learned(own)} that trained on {_called(analysis, source)} have learned: on new clips of it "
        f"{_each(own)} are right; guessing is right in {guessing}.",
        f"With other looks of the same motions, {_percent(most)} of answers are right on "
        f"{_called(analysis, near)} and "
        f"{_percent(least)} on {_called(analysis, far)}: the easiest and the hardest domain in the mean over models.",
        _kept(analysis, source),
    ]


def _called(analysis: "Analysis", domain: str) -> str:
    return domain_name(analysis.study.domains, domain)


def _learned(own: pd.DataFrame) -> str:
    trials, never = sum(own["trials"].tolist()), sum(own["never_learned"].tolist())
    said = counted(trials, "trial")
    return f"All {said}" if not never else f"{trials - never} of {said}"


def _each(own: pd.DataFrame) -> str:
    """``71% of answers (3D CNN), 48% (ConvLSTM)``, the best first."""
    (best, most), *others = [(look_of(model).label, _percent(mean)) for model, mean in means(own, "model")]
    return ", ".join([f"{most} of answers ({best})", *(f"{share} ({label})" for label, share in others)])


def _kept(analysis: "Analysis", source: str) -> str:
    """Chance-corrected, of the trials that learned: a model that guesses keeps nothing."""
    table = analysis.robustness.query(f"source == {source!r} and statistic == 'chance_corrected_ratio'")
    kept = means(table.dropna(), "model")
    names = ", ".join(f"{look_of(model).label} {_percent(ratio)}" for model, ratio in kept)
    seeds = min(table["seeds"].tolist())
    return (
        f"Of what they know beyond guessing, models keep this much with other looks: {names or 'nobody knows'}; "
        f"that is of {counted(seeds, 'seed')}, so look at the intervals before you believe it."
    )


def means(table: pd.DataFrame, by: str) -> list[tuple[str, float]]:
    """Names in a column with the mean of their means, the highest first."""
    groups: Any = table.groupby(by, sort=False)
    found = [(str(name), float(group["mean"].mean())) for name, group in groups]
    return sorted(found, key=lambda pair: -pair[1])


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
