"""What is declared before a sweep looks at its claims for the first time: at how many seeds it looks, for what budget.

Nothing of a declaration changes afterwards but the budget, which may grow.
"""

from collections.abc import Mapping, Sequence

import msgspec

from rac_ray.errors import BadInput
from rac_ray.results.claims import Claim
from rac_ray.results.findings import FEW
from rac_ray.results.schedule import Schedule
from rac_ray.results.statistics import ALPHA
from rac_ray.sweep.decisions import Deciding, DecisionBook, DecisionRecord, by_cell, cells_of, record_id_of
from rac_ray.sweep.planner import Plan
from rac_ray.training.task import Task

SPENDING = "even"
"""The alpha-spending function of every new declaration: of those that ``benchmarks/until_decided.py`` compares, the one
that is near the best for any budget."""
MOST_SEEDS = 20
"""Seeds of the last look, where neither the budget nor anybody says otherwise."""


def declaration(plan: Plan, deciding: Deciding, only: str | None = None) -> DecisionRecord:
    """What a run declares, or has declared, with the budget as it is now; writes nothing.

    ``only`` is the plan's filter. Raises BadInput where there is one or nothing to decide, and for another declaration
    than the one that there is.
    """
    if only is not None:
        raise BadInput(f"--until-decided with --only {only!r}; valid: options of the grid, as --models or --seeds")
    record = DecisionBook(plan.sweep).of(plan.tasks)
    added = set(record.trials_added) if record else set()
    tasks = [task for task in plan.tasks if task.training_id not in added]
    cells = by_cell(tasks)
    claims = _claims_of(plan, cells)
    _require_one_recipe(plan, tasks)
    seeds = list(dict.fromkeys(task.training.seed for task in tasks))
    if record is not None:
        return _gone_on(record, plan, deciding, cells, seeds, [claim.claim_id for claim in claims])
    first = max(len(seeds), FEW)
    fewest = min(len(cells_of(claim, cells)) for claim in claims)
    paid = MOST_SEEDS if deciding.budget_trials is None else len(seeds) + deciding.budget_trials // fewest
    most = deciding.most_seeds or max(first, min(MOST_SEEDS, paid))
    schedule = Schedule.of(first, most, SPENDING, ALPHA)
    entries = plan.entries()
    return DecisionRecord(
        study=plan.study.name,
        preset=plan.preset,
        record_id=record_id_of(cells, seeds),
        cells={cell: of[0].training.name.rpartition(" seed=")[0] for cell, of in cells.items()},
        seeds=seeds,
        trainings=[task.training_id for task in tasks],
        finished_before=sum(entries[task.training_id].done for task in tasks),
        claims=[claim.claim_id for claim in claims],
        alpha=ALPHA,
        spending=schedule.spending,
        looks_at=list(schedule.looks),
        weights=list(schedule.weights),
        budget=deciding.budget,
    )


def _claims_of(plan: Plan, cells: Mapping[str, Sequence[Task]]) -> list[Claim]:
    """The claims that a plan's trials can test."""
    if not plan.study.claims:
        raise BadInput(f"--until-decided, but study {plan.study.name!r} has no claims; valid: a study that has some")
    found = [claim for claim in plan.study.claims if cells_of(claim, cells)]
    if not found:
        raise BadInput(f"--until-decided, but its models and sources test none of the {len(plan.study.claims)} claims")
    return found


def _require_one_recipe(plan: Plan, tasks: Sequence[Task]) -> None:
    """A claim is judged by trials of one recipe; several would be several declarations."""
    if plan.searches:
        raise BadInput("--until-decided follows one recipe, and --tune makes a second one; valid: one of both")
    kinds: dict[tuple[object, ...], set[str]] = {}
    for cell, of in by_cell(tasks).items():
        training = of[0].training
        for trial in of[0].asked:
            place = (training.model, training.size, training.hidden_units, training.source, trial.experiment)
            kinds.setdefault(place, set()).add(f"{cell} {trial.variant}")
    several = max(map(len, kinds.values()))
    if several > 1:
        raise BadInput(f"--until-decided follows one recipe of the same clips, and {several} are asked for")


def _gone_on(
    record: DecisionRecord,
    plan: Plan,
    deciding: Deciding,
    cells: Mapping[str, Sequence[Task]],
    seeds: Sequence[int],
    claims: Sequence[str],
) -> DecisionRecord:
    """The record with a budget that may have grown. Raises BadInput for anything else that has changed."""
    where = DecisionBook(plan.sweep).address(record)
    told = "; valid: as it was declared, or another --storage"
    if set(cells) != set(record.cells):
        raise BadInput(f"{where} declares {len(record.cells)} models and sizes, and not just these {len(cells)}{told}")
    if set(seeds) != set(record.seeds):
        was, now = (",".join(map(str, each)) for each in (record.seeds, seeds))
        raise BadInput(f"{where} declares the seeds {was}, and not {now}{told}")
    if list(claims) != record.claims:
        raise BadInput(f"{where} declares the claims {', '.join(record.claims)}, and not {', '.join(claims)}{told}")
    if deciding.most_seeds not in (None, record.looks_at[-1]):
        raise BadInput(f"{where} declares {record.schedule.words}, and not {deciding.most_seeds} as most{told}")
    if not deciding.budget.covers(record.budget):
        was, now = record.budget.words, deciding.budget.words
        raise BadInput(f"{where} declares a budget of {was}, and {now} is less; valid: as much, or more")
    ended = record.ended if deciding.budget == record.budget else ""
    return msgspec.structs.replace(record, budget=deciding.budget, ended=ended)
