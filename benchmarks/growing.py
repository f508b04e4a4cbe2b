"""Whole sweeps of the paper's grid out of ``worlds`` that are given seeds until their claims are decided."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.calibration import Judge
from benchmarks.worlds import SIZES
from rac_ray.results.answers import Answers
from rac_ray.results.claims import DECIDED, Claim
from rac_ray.results.columns import P_VALUES
from rac_ray.results.over_looks import Seen, judge_over_looks, of_seeds
from rac_ray.results.schedule import Schedule, nearest, sequential
from rac_ray.results.statistics import ALPHA
from rac_ray.results.verdicts import Verdict, by_itself, judge
from rac_ray.sweep.decisions import terms_of
from rac_ray.sweep.declaring import SPENDING as DECLARED

FIRST, MOST = 5, 20
"""Seeds of the first and the last look."""
Cell = tuple[str, str, int]
"""Model, source and hidden units."""


@dataclass
class Growing:
    """The study's claims in one sweep of a simulated world that is drawn as far as the most seeds."""

    answers: Answers
    claims: Sequence[Claim]
    schedule: Schedule
    seeds: dict[Cell, int] = field(default_factory=dict)
    looks: dict[str, list[Verdict]] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cells = {claim.claim_id: cells_in(claim) for claim in self.claims}
        self.looks = {name: [] for name in self.cells}
        self.seeds = dict.fromkeys(set().union(*self.cells.values()), self.schedule.looks[0])

    def look(self) -> None:
        """All looks at undecided claims whose seeds are there, and the verdicts after them."""
        ruled = {each.claim.claim_id: each.outcome for each in self.verdicts if each.outcome in DECIDED}
        seen = {}
        for claim in self.claims:
            name = claim.claim_id
            there = min(self.seeds[cell] for cell in self.cells[name])
            due = [n for n in self.schedule.looks[len(self.looks[name]) :] if n <= there and name not in ruled]
            self.looks[name] += [by_itself(of_seeds(self.answers, range(n)), claim, len(self.claims)) for n in due]
            last = self.schedule.looks[len(self.looks[name]) - 1]
            weights = self.schedule.weights[: len(self.looks[name])]
            p_values = {
                p: sequential(
                    (1.0 if each.outcome == "not run" else getattr(each, p), weight)
                    for each, weight in zip(self.looks[name], weights, strict=True)
                )
                for p in P_VALUES
            }
            seen[name] = Seen(tuple(range(last)), p_values, ruled.get(name, ""))
        self.verdicts = judge_over_looks(self.answers, self.claims, seen)

    def grow(self, budget: int) -> int:
        """Give the first claim whose next look a budget of trials pays its seeds; the trials, 0 where there is none."""
        steps = []
        for verdict in self.verdicts:
            name = verdict.claim.claim_id
            until = self.schedule.after(len(self.looks[name]))
            if until is not None and verdict.outcome == "underpowered":
                price = sum(max(0, until - self.seeds[cell]) for cell in self.cells[name])
                steps.append((name, until, price, verdict.seeds_missing))
        lacks = [None if lack is None else lack * len(self.cells[name]) for name, _, _, lack in steps]
        for name, until, price, _ in (steps[place] for place in nearest(lacks)):
            if price <= budget:
                for cell in self.cells[name]:
                    self.seeds[cell] = max(self.seeds[cell], until)
                return price
        return 0


def cells_in(claim: Claim) -> set[Cell]:
    """What a claim's figures are of, on the paper's grid."""
    return {(term.model, term.source, size) for term in terms_of(claim) for size in term.sizes or SIZES}


def deciding_judge(budget: int, trials: list[int], spending: str = DECLARED, first: int = FIRST) -> Judge:
    """What judges sweeps that are drawn as far as MOST seeds by the rule; ``trials`` gets what each sweep took."""
    schedule = Schedule.of(first, MOST, spending, ALPHA)

    def judged(answers: Answers, claims: Sequence[Claim]) -> list[Verdict]:
        growing, left = Growing(answers, claims, schedule), budget
        growing.look()
        while spent := growing.grow(left):
            left -= spent
            growing.look()
        trials.append(sum(growing.seeds.values()))
        return growing.verdicts

    return judged


def fixed_judge(seeds: int) -> Judge:
    """What judges the same sweeps by so many seeds for all."""
    return lambda answers, claims: judge(of_seeds(answers, range(seeds)), claims)
