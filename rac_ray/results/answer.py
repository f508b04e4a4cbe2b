"""What came out of a sweep, in sentences that claim no more than its verdicts do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rac_ray.counted import counted
from rac_ray.results.findings import FEW

MUCH_THE_SAME = 0.05
"""Models whose shares are no further apart are named together."""
UNDECIDED = ("underpowered", "holds for these models", "fails for these models")
"""Rulings that more seeds may change."""


@dataclass(frozen=True)
class Standing:
    """How far a sweep has come."""

    planned: int
    done: int
    seeds: int = 0
    """Fewest seeds of a model."""
    learned: Mapping[str, bool] = field(default_factory=dict)
    """Whether at least half of a model's trials have learned, by the model's name."""
    rulings: Mapping[str, int] = field(default_factory=dict)
    """Claims by ruling, as in ``verdicts.Ruling``."""
    missing: Sequence[int | None] = ()
    """Seeds that each undecided claim lacks; None: no number of them would do."""
    kept: Mapping[str, float] = field(default_factory=dict)
    """Share of what a model knows beyond guessing that it keeps on other domains, by the name of a model that learned;
    the highest first."""
    told_by: int = 0
    """Seeds of the claim that stands on most of them."""
    right: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    """Share of clips on which a model that learned is right, by its name: of its own domain, and the lowest and the
    highest of other domains. Of a sweep with one source."""

    @property
    def guessing(self) -> list[str]:
        return [model for model, learned in self.learned.items() if not learned]


def answer(standing: Standing) -> list[str]:
    """Two to four sentences: who learned, what was seen, what is decided, what would decide more."""
    if not standing.done:
        return ["No trial has finished yet, so nothing can be concluded."]
    return [said for said in (_learning(standing), _seen(standing), _ruled(standing), _to_decide(standing)) if said]


def look_next(standing: Standing) -> str:
    """Which model deserves a look, and why; empty where there is none."""
    if standing.guessing:
        own = "has not learned its own training domain, so a longer training or another recipe comes"
        return f"Look next at {standing.guessing[0]}: it {own} before any comparison."
    if not standing.kept:
        return ""
    most = max(standing.kept.values())
    first = [model for model, share in standing.kept.items() if share >= most - MUCH_THE_SAME]
    it, keeps = ("it", "keeps the largest share") if len(first) == 1 else ("they", "keep the largest shares")
    shares = " to ".join(dict.fromkeys(f"{100 * share:.0f}" for share in (standing.kept[first[-1]], most)))
    return (
        f"Look next at {_listed(first)}: of what {it} learned beyond guessing {it} {keeps} so far, "
        f"{shares}% on average over other domains; this order is not tested."
    )


def _learning(standing: Standing) -> str:
    seeds = f"with {counted(standing.seeds, 'seed')}"
    whole = standing.done == standing.planned
    trials = f"{'All' if whole else f'{standing.done} of'} {counted(standing.planned, 'trial')}"
    done = f"{'The only trial' if standing.planned == 1 else trials} {'is' if standing.done == 1 else 'are'} done"
    guessing, able = standing.guessing, [model for model, learned in standing.learned.items() if learned]
    if not guessing:
        return f"{done}, {seeds}, and every model is above chance where it was trained."
    if not able:
        return f"{done}, {seeds}. No model is above chance, so nothing can be said of how robust they are."
    be, it = ("is", "it is") if len(guessing) == 1 else ("are", "they are")
    return (
        f"{done}, {seeds}. {_listed(able)} learned; {_listed(guessing)} {be} at chance, so nothing can be "
        f"said of how robust {it}."
    )


def _seen(standing: Standing) -> str:
    if not standing.right:
        return ""
    model, (own, *others) = max(standing.right.items(), key=lambda pair: pair[1][0])
    shares = " to ".join(dict.fromkeys(f"{100 * share:.0f}" for share in others))
    return (
        f"On test clips of the domain of its training {model} is right most often, in {100 * own:.0f}% of them; on "
        f"those of other domains it is right in {shares}%."
    )


def _ruled(standing: Standing) -> str:
    claims = sum(standing.rulings.values())
    tested = claims - standing.rulings.get("not run", 0)
    if not claims:
        return "This study states no claims to test: compare the models in the figures."
    if not tested:
        return f"None of the study's {counted(claims, 'claim')} could be tested yet."
    if standing.told_by < FEW:
        return _of_these_models(standing, tested, claims)
    found = {ruling: count for ruling, count in standing.rulings.items() if ruling.startswith(DECIDED)}
    if not found:
        return f"No claim is decided yet: {tested} of the study's {claims} could be tested."
    open_ones = tested - sum(found.values())
    parts = [f"{counted(count, 'is', 'are')} {ruling}" for ruling, count in found.items()]
    undecided = f"{open_ones} of the {tested} that could be tested {'is' if open_ones == 1 else 'are'} undecided"
    return f"Of the study's {counted(claims, 'claim')}, {_listed(parts)}{f'; {undecided}' if open_ones else ''}."


DECIDED = ("reproduced", "contradicted")


def _of_these_models(standing: Standing, tested: int, claims: int) -> str:
    said = (
        f"With {counted(standing.told_by, 'seed')} nothing can be concluded about architectures: {tested} of the "
        f"study's {counted(claims, 'claim')} could be tested"
    )
    holds, fails = (standing.rulings.get(f"{word} for these models", 0) for word in ("holds", "fails"))
    if not holds + fails:
        return f"{said}, and none is decided."
    both = f"{counted(holds, 'holds', 'hold')} and {counted(fails, 'fails', 'fail')}"
    return f"{said}. For the very models that were trained {both}."


def _to_decide(standing: Standing) -> str:
    undecided = len(standing.missing)
    if not undecided or not sum(standing.rulings.values()):
        return ""
    if standing.told_by < FEW:
        lacking = FEW - standing.told_by
        return f"At least {counted(lacking, 'more seed')} {'is' if lacking == 1 else 'are'} needed for a verdict."
    known = [missing for missing in standing.missing if missing is not None]
    if not known:
        return "More seeds alone would not decide the open claims: their effects are small for so few clips."
    least = min(known)
    return (
        f"{counted(least, 'more seed')} would decide {known.count(least)} of the {undecided} open claims, if effects "
        "stay as they are."
    )


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
