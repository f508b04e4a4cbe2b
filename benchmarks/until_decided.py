"""How often a sweep that adds seeds until its claims are decided errs, and what it saves against fixed seeds.

Two simulations. ``simulated``: claims as plain numbers, a value per seed, many thousand sweeps; claims differ in their
effects and in the trials that a seed of theirs takes. ``in_world``: whole sweeps of the paper's grid out of ``worlds``,
with the study's own claims and everything that verdicts are made of. Both are given seeds by the rule of
``sweep.deciding``: the claim that lacks the fewest trials by its last look, up to its next one, while the budget pays.

    python -m benchmarks.until_decided
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.arguments import Parser
from benchmarks.calibration import FAMILY, Tally, tally
from benchmarks.growing import FIRST, MOST, cells_in, deciding_judge, fixed_judge
from benchmarks.worlds import World, different, equal
from rac_ray.cli.exits import run_command
from rac_ray.results.claims import DECIDED
from rac_ray.results.schedule import SPENDING, Schedule, nearest, sequential
from rac_ray.results.statistics import ALPHA, MOST_SEEDS, holm
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE
from rac_ray.sweep.declaring import SPENDING as DECLARED

Values = NDArray[np.float64]
POWER = 0.8
CLAIMS = 9
"""Claims of a simulated sweep; the study has about as many."""
COSTS = (4, 2, 4, 2, 8, 4, 2, 2, 6)
"""Trials that a seed of each takes."""
SHARED = 0.5
"""Correlation of two claims' values under one seed: they share trials."""
MIXED = (0.0, 0.3, 0.6, 0.8, 1.0, 1.3, 1.6, 2.5, 4.0)
"""Effects in a world of all kinds, in deviations between seeds."""


@dataclass(frozen=True)
class Came:
    """What became of one sweep."""

    decided: dict[int, int]
    """Sign of the ruling by claim."""
    trials: int
    """Those of all claims' seeds, each claim's counted apart."""


@dataclass(frozen=True)
class Rule:
    """A way to spend seeds: the same number for all claims, or by looks."""

    name: str
    play: "Callable[[Sweep], Came]"


@dataclass(frozen=True)
class Sweep:
    """One sweep that could be drawn, as far as the most seeds."""

    values: Values
    """(claims, seeds) differences; positive speaks for a claim."""
    costs: Sequence[int]
    _known: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)

    def p(self, claim: int, seeds: int) -> tuple[float, float]:
        """Two-sided p of the mean of a claim's first seeds where it speaks for the claim, and where against; else 1."""
        if (claim, seeds) not in self._known:
            mine = self.values[claim, :seeds]
            t = float(mine.mean() / (mine.std(ddof=1) / np.sqrt(seeds)))
            p = float(2 * stats.t.sf(abs(t), seeds - 1))
            self._known[claim, seeds] = (p, 1.0) if t > 0 else (1.0, p)
        return self._known[claim, seeds]

    def missing(self, claim: int, seeds: int) -> int | None:
        """Seeds that a claim lacks, were its effect as its first seeds have it."""
        mine = self.values[claim, :seeds]
        needed = seeds_for(round(abs(float(mine.mean() / mine.std(ddof=1))), 2), len(self.costs))
        return None if needed is None else max(1, needed - seeds)


@lru_cache(maxsize=4096)
def seeds_for(effect: float, claims: int) -> int | None:
    """Seeds that find an effect in deviations with a power of 0.8, at the level of one of so many claims."""
    for seeds in range(2, MOST_SEEDS if effect > 0.1 else 2):
        edge = stats.t.ppf(1 - ALPHA / claims / 2, seeds - 1)
        if stats.nct.sf(edge, seeds - 1, effect * np.sqrt(seeds)) >= POWER:
            return seeds
    return None


def rulings(for_it: Sequence[float], against: Sequence[float]) -> dict[int, int]:
    """Claims that are decided by p values corrected over claims, and how."""
    pairs = enumerate(zip(holm(for_it), holm(against), strict=True))
    return {claim: 1 if p < ALPHA else -1 for claim, (p, other) in pairs if min(p, other) < ALPHA}


def fixed(seeds: int) -> Rule:
    """All claims have so many seeds, and are looked at once."""

    def play(sweep: Sweep) -> Came:
        ps = [sweep.p(claim, seeds) for claim in range(len(sweep.costs))]
        return Came(rulings([p for p, _ in ps], [p for _, p in ps]), seeds * sum(sweep.costs))

    return Rule(f"{seeds} seeds for all", play)


def until_decided(spending: str, budget: int, first: int = FIRST, most: int = MOST) -> Rule:
    """Seeds up to the next look for the claim that lacks the fewest trials, within a budget of trials."""
    schedule = Schedule.of(first, most, spending, ALPHA)

    def play(sweep: Sweep) -> Came:
        claims = range(len(sweep.costs))
        looks, left = [1 for _ in claims], budget
        while True:
            over = [[_over_looks(sweep, schedule, claim, looks[claim], side) for claim in claims] for side in (0, 1)]
            decided = rulings(*over)
            open_ones = [claim for claim in claims if claim not in decided and looks[claim] < len(schedule.looks)]
            prices = {
                claim: sweep.costs[claim] * (schedule.looks[looks[claim]] - schedule.looks[looks[claim] - 1])
                for claim in open_ones
            }
            lacks = [sweep.missing(claim, schedule.looks[looks[claim] - 1]) for claim in open_ones]
            order = nearest(
                [None if lack is None else lack * sweep.costs[c] for c, lack in zip(open_ones, lacks, strict=True)]
            )
            paid = [open_ones[place] for place in order if prices[open_ones[place]] <= left]
            if not paid:
                seeds = [schedule.looks[look - 1] for look in looks]
                return Came(decided, sum(n * cost for n, cost in zip(seeds, sweep.costs, strict=True)))
            left -= prices[paid[0]]
            looks[paid[0]] += 1

    return Rule(f"until decided, {spending}, {budget} trials", play)


def _over_looks(sweep: Sweep, schedule: Schedule, claim: int, looks: int, side: int) -> float:
    return sequential(
        (sweep.p(claim, seeds)[side], weight)
        for seeds, weight in zip(schedule.looks[:looks], schedule.weights[:looks], strict=True)
    )


@dataclass(frozen=True)
class Row:
    """A rule in a world, over many sweeps."""

    rule: str
    errors: float
    """Share of sweeps with any ruling that is wrong: of a claim without effect, or of the wrong sign."""
    decided: float
    """Claims decided, on average."""
    trials: float


def simulated(rule: Rule, effects: Sequence[float], sweeps: int, costs: Sequence[int] = COSTS, draw: int = 0) -> Row:
    """What a rule comes to where claims have these effects, in deviations between seeds."""
    came = []
    for number in range(sweeps):
        rng = np.random.default_rng([draw, number])
        noise = np.sqrt(SHARED) * rng.normal(size=MOST) + np.sqrt(1 - SHARED) * rng.normal(size=(len(effects), MOST))
        came.append(rule.play(Sweep(np.asarray(effects)[:, None] + noise, costs)))
    wrong = [any(np.sign(effects[claim]) != sign for claim, sign in each.decided.items()) for each in came]
    decided = [len(each.decided) for each in came]
    return Row(
        rule.name, float(np.mean(wrong)), float(np.mean(decided)), float(np.mean([each.trials for each in came]))
    )


def rules(budgets: Sequence[int]) -> list[Rule]:
    """Those that are compared: fixed numbers of seeds, and each spending function within these budgets."""
    looking = [until_decided(name, budget) for budget in budgets for name in SPENDING]
    return [*(fixed(seeds) for seeds in (5, 8, 12, 20)), *looking]


def in_world(world: World, sweeps: int, budget: int) -> list[Row]:
    """Fixed seeds and the rule on whole sweeps of a world."""
    cells = len(set().union(*map(cells_in, TEMPORAL_SHAPE)))
    rows = []
    for seeds in (5, 8, 20):
        of_fixed = tally(world, sweeps, seeds=MOST, judged=fixed_judge(seeds))
        rows.append(_row(f"{seeds} seeds for all", of_fixed, [seeds * cells]))
    trials: list[int] = []
    found = tally(world, sweeps, seeds=MOST, judged=deciding_judge(budget, trials))
    return [*rows, _row(f"until decided, {DECLARED}, {budget} trials", found, trials)]


def _row(name: str, found: Tally, trials: Sequence[int]) -> Row:
    errors = max(found.rate(FAMILY, outcome) for outcome in DECIDED)
    decided = sum(count for (_, outcome), count in found.outcomes.items() if outcome in DECIDED)
    return Row(name, errors, decided / found.sweeps, float(np.mean(trials)))


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    lines = ["| rule | sweeps with a wrong ruling, % | claims decided | trials |", "|---|---|---|---|"]
    lines += [f"| {row.rule} | {100 * row.errors:.1f} | {row.decided:.2f} | {row.trials:.0f} |" for row in rows]
    return "\n".join(lines)


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=5000)
    parser.add_argument("--worlds", type=int, default=100, help="sweeps of each world of the paper's grid")
    given = parser.parse_args()
    for name, effects in {"No claim has an effect": (0.0,) * CLAIMS, "Effects of all kinds": MIXED}.items():
        print(f"\n{name}, {given.sweeps} sweeps of {CLAIMS} claims\n")
        print(table([simulated(rule, effects, given.sweeps) for rule in rules((150, 300))]), flush=True)
    for world in (equal(), different()):
        print(f"\nWorld {world.name!r}, {given.worlds} sweeps of the paper's grid\n")
        print(table(in_world(world, given.worlds, 600)), flush=True)
    return 0


if __name__ == "__main__":
    run_command(main)
