"""What a report opens with: the question, the answer, how many claims got which verdict, a clip of each domain."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd

from rac_ray.results.answer import UNDECIDED, Standing, answer, look_next
from rac_ray.results.at_chance import fewest_seeds, guesses, guessing
from rac_ray.results.looks import look_of
from rac_ray.results.names import domain_name
from rac_ray.results.partly_asked import fullest
from rac_ray.results.verdicts import Ruling

if TYPE_CHECKING:
    from rac_ray.results.analysis import Analysis


@dataclass(frozen=True)
class DomainShown:
    """A domain for people who never saw it."""

    key: str
    label: str
    looks: str
    """What its clips show, in about six words; may be empty."""
    trained_on: bool


@dataclass(frozen=True)
class Opening:
    """The first screen of a report."""

    question: str = ""
    answer: Sequence[str] = ()
    next: str = ""
    rulings: Mapping[str, int] = field(default_factory=dict)
    domains: Sequence[DomainShown] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    """What domains are called, by key."""

    def value(self, clips: Mapping[str, str]) -> dict[str, Any]:
        """As JSON holds it; ``clips`` are GIFs in base64 by domain."""
        shown = [{**vars(domain), "clip": clips.get(domain.key)} for domain in self.domains]
        return {
            "question": self.question,
            "answer": list(self.answer),
            "next": self.next,
            "rulings": list(self.rulings.items()),
            "domains": shown,
            "names": dict(self.names),
        }


def opening_of(analysis: "Analysis", planned: int) -> Opening:
    """The opening of a sweep with so many trials; of several recipes a sentence group each, their counts added up."""
    stands = {recipe: standing_of(part, planned) for recipe, part in analysis.by_recipe.items()}
    said = [f"{recipe}: {line}" if recipe else line for recipe, each in stands.items() for line in answer(each)]
    rulings: Counter[str] = Counter()
    for each in stands.values():
        rulings.update(each.rulings)
    shown = domains_of(analysis)
    return Opening(
        question_of(analysis, shown),
        said,
        next(filter(None, map(look_next, stands.values())), ""),
        {ruling: rulings[ruling] for ruling in get_args(Ruling) if rulings[ruling]},
        shown,
        {domain.key: domain.label for domain in shown},
    )


def standing_of(analysis: "Analysis", planned: int) -> Standing:
    """How far the trials of one recipe have come."""
    states, finished, verdicts = analysis.tables.trials["state"].tolist(), analysis.answers.trials, analysis.verdicts
    learned = finished.groupby("model", sort=False)["learned"]
    return Standing(
        len(states) if analysis.recipe else planned,
        states.count("done"),
        fewest_seeds(finished),
        {look_of(str(model)).label: not guesses(each.to_numpy(bool)) for model, each in learned},
        Counter(verdict.outcome for verdict in verdicts),
        [verdict.seeds_missing for verdict in verdicts if verdict.outcome in UNDECIDED],
        kept_by(analysis),
        max((verdict.seeds for verdict in verdicts if verdict.outcome != "not run"), default=fewest_seeds(finished)),
        right_by(analysis),
    )


def right_by(analysis: "Analysis") -> dict[str, tuple[float, float, float]]:
    """Accuracy of each model that learned, by its name: on its own domain's test clips, and the lowest and the highest
    of other domains. Empty for a sweep of several sources."""
    if len(analysis.answers.sources) != 1:
        return {}
    found = {}
    most = fullest(analysis.accuracy)
    able = analysis.accuracy["model"].isin(most["model"].to_numpy()[~guessing(most)].tolist())
    for model, table in analysis.accuracy[able & analysis.accuracy["mean"].notna()].groupby("model", sort=False):
        own, others = (table.loc[table["role"] == role, "mean"] for role in ("source_test", "target"))
        if len(own) and len(others):
            found[look_of(str(model)).label] = (float(own.iloc[0]), float(others.min()), float(others.max()))
    return found


def kept_by(analysis: "Analysis") -> dict[str, float]:
    """Mean over targets of what each model keeps beyond guessing, by its name, the most first."""
    table = analysis.robustness.query("statistic == 'chance_corrected_ratio'").dropna(subset=["mean"])
    return {look_of(model).label: share for model, share in _means(table)}


def _means(table: pd.DataFrame) -> list[tuple[str, float]]:
    """Models with the mean of their means, the highest first."""
    groups: Any = table.groupby("model", sort=False)
    return sorted(((str(model), float(each["mean"].mean())) for model, each in groups), key=lambda pair: -pair[1])


def question_of(analysis: "Analysis", shown: Sequence[DomainShown]) -> str:
    """The study's question, or what can be said of any sweep."""
    if analysis.study.question:
        return analysis.study.question
    sources = " or ".join(domain.label for domain in shown if domain.trained_on)
    targets = ", ".join(domain.label for domain in shown if not domain.trained_on)
    if not sources or not targets:
        return "Which of these models keep their accuracy on clips that look different from what they were trained on?"
    return f"Which models that learned on {sources} keep their accuracy on clips that look different: {targets}?"


def domains_of(analysis: "Analysis") -> list[DomainShown]:
    """Every domain that trials were asked about, the sources first."""
    evaluations, known = analysis.tables.evaluations, analysis.study.domains
    own = dict.fromkeys(evaluations.loc[evaluations["role"].isin(["source_val", "source_test"]), "target"])
    keys = dict.fromkeys([*own, *evaluations.loc[evaluations["role"] == "target", "target"]])
    return [
        DomainShown(key, domain_name(known, key), known[key].looks if key in known else "", key in own)
        for key in map(str, keys)
    ]
