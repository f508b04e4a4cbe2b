"""How often verdicts are wrong, and how often they see what is there, over simulated sweeps (``worlds``).

Each world says which outcomes of a claim would be errors (``truths``). Family-wise: a sweep with an error in any claim.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.arguments import Parser
from benchmarks.truths import ONLY, wrong_outcomes
from benchmarks.worlds import NULLS, World, almost, at_the_limits, different, sweep
from rac_ray.cli.exits import run_command
from rac_ray.errors import BadInput
from rac_ray.results.answers import Answers
from rac_ray.results.claims import DECIDED, Claim
from rac_ray.results.verdicts import Verdict, judge
from rac_ray.studies.temporal_shape.claims import TEMPORAL_SHAPE

Judge = Callable[[Answers, Sequence[Claim]], list[Verdict]]
SEEDS = 5
POWER_SEEDS = (3, 5, 10, 20)
EFFECTS = (0.05, 0.1, 0.2)
FAMILY = "any claim"


@dataclass
class Tally:
    """Outcomes of each claim over simulated sweeps of one world."""

    world: World
    seeds: int
    sweeps: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By claim and outcome."""
    family: Counter[str] = field(default_factory=Counter)
    """Sweeps in which any claim has this outcome wrongly."""

    def rate(self, claim_id: str, outcome: str) -> float:
        """Share of sweeps with this outcome of a claim; of FAMILY: that were wrong with it in any."""
        count = self.family[outcome] if claim_id == FAMILY else self.outcomes[claim_id, outcome]
        return count / self.sweeps


def tally(
    world: World,
    sweeps: int,
    *,
    seeds: int = SEEDS,
    draws: int = 200,
    claims: Sequence[Claim] = TEMPORAL_SHAPE,
    judged: Judge = judge,
) -> Tally:
    """The outcomes of ``sweeps`` simulated sweeps; the same ones for the same numbers."""
    wrong = {claim.claim_id: wrong_outcomes(world, claim) for claim in claims}
    found = Tally(world, seeds, sweeps)
    for draw in range(sweeps):
        verdicts = judged(sweep(world, seeds=seeds, draw=draw, draws=draws), claims)
        outcomes = [(verdict.claim.claim_id, str(verdict.outcome)) for verdict in verdicts]
        found.outcomes.update(outcomes)
        found.family.update({outcome for claim_id, outcome in outcomes if outcome in wrong[claim_id]})
    return found


def error_table(tallies: Sequence[Tally], claims: Sequence[Claim] = TEMPORAL_SHAPE) -> str:
    """As Markdown: per world, the rates of wrong outcomes family-wise, and the claim that is wrong most often."""
    outcomes = (*DECIDED, *(f"{outcome}{ONLY}" for outcome in DECIDED))
    lines = [f"| world | seeds | {' | '.join(f'wrongly {outcome}' for outcome in outcomes)} |", "|---" * 6 + "|"]
    for each in tallies:
        cells = []
        for outcome in outcomes:
            rates = {
                claim.claim_id: each.rate(claim.claim_id, outcome)
                for claim in claims
                if outcome in wrong_outcomes(each.world, claim)
            }
            worst = max(rates, key=lambda claim_id: rates[claim_id], default="")
            most = f"; most: {worst} {100 * rates[worst]:.1f}" if worst and rates[worst] else ""
            cells.append(f"{_percent(each.rate(FAMILY, outcome), each.sweeps)}{most}")
        lines.append(f"| {each.world.name} | {each.seeds} | {' | '.join(cells)} |")
    return "\n".join(lines)


def power_table(tallies: Sequence[Tally], claims: Sequence[Claim] = TEMPORAL_SHAPE) -> str:
    """As Markdown: how often each claim that holds in all its senses is reproduced, by effect and seeds."""
    heads = [f"{each.world.name}, {each.seeds} seeds" for each in tallies]
    lines = [f"| claim | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for claim in claims:
        cells = [
            "-" if "reproduced" in wrong_outcomes(each.world, claim)
            else _percent(each.rate(claim.claim_id, "reproduced"), each.sweeps)
            for each in tallies
        ]  # fmt: skip
        lines.append(f"| {claim.claim_id} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(share: float, sweeps: int) -> str:
    """A share in %, with its Monte Carlo standard error, of one more success and failure (Agresti and Coull 1998)."""
    smoothed = (share * sweeps + 2) / (sweeps + 4)
    return f"{100 * share:.1f} ± {100 * np.sqrt(smoothed * (1 - smoothed) / (sweeps + 4)):.1f}"


def main(arguments: Sequence[str]) -> int:
    parser = Parser(prog="python -m benchmarks.calibration", description="How often verdicts on simulated sweeps err.")
    parser.add_argument("--sweeps", type=int, default=200, help="simulated sweeps of each world (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of the worlds where errors count (%(default)s)")
    parser.add_argument("--part", choices=("errors", "power", "both"), default="both", help="what to simulate")
    options = parser.parse_args(arguments)
    for name in ("sweeps", "seeds"):
        if getattr(options, name) < 1:
            raise BadInput(f"--{name} {getattr(options, name)}: must be at least 1")
    print(f"{options.sweeps} simulated sweeps per world, all figures in %, ± their Monte Carlo standard error\n")
    if options.part != "power":
        worlds = [*(null() for null in NULLS), almost(), at_the_limits()]
        print(f"{error_table([tally(world, options.sweeps, seeds=options.seeds) for world in worlds])}\n", flush=True)
    if options.part != "errors":
        for effect in EFFECTS:
            tallies = [tally(different(effect), options.sweeps, seeds=seeds) for seeds in POWER_SEEDS]
            print(f"{power_table(tallies)}\n", flush=True)
    return 0


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
