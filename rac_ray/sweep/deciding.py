"""Seeds where a claim is nearest to a decision: declare, run, look, add, until all are decided or a budget is spent.

Declared beforehand are the seeds at which each claim is looked at and the share of the level that each look may spend
(``results.schedule``). Who is given seeds follows from the looks, and makes no p value invalid.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

from rac_ray.counted import counted
from rac_ray.results.claims import DECIDED, Claim
from rac_ray.results.columns import P_VALUES
from rac_ray.results.schedule import nearest
from rac_ray.store.entry import Entry
from rac_ray.store.ledger import DRIVER
from rac_ray.store.lock import holding
from rac_ray.sweep.decisions import (
    Added,
    Deciding,
    DecisionBook,
    DecisionRecord,
    Look,
    by_cell,
    cells_of,
    with_seed,
)
from rac_ray.sweep.declaring import declaration
from rac_ray.sweep.listening import Listener
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.price import Price
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from rac_ray.sweep.search import cell_of
from rac_ray.sweep.session import ray_session
from rac_ray.training.task import Task

if TYPE_CHECKING:
    from rac_ray.results.answers import Answers
    from rac_ray.results.verdicts import Verdict


@dataclass(frozen=True)
class Step:
    """The next seeds that one claim would be given."""

    claim: str
    look: int
    seeds: list[int]
    cells: list[str]
    tasks: list[Task]
    """Those that are not planned yet."""
    missing: int | None
    """Seeds that it lacks, were its effect as observed."""


@dataclass(frozen=True)
class Standing:
    """A plan whose trials have ended, and what has been declared of it."""

    plan: Plan
    record: DecisionRecord

    @cached_property
    def cells(self) -> dict[str, list[Task]]:
        """All of the plan's tasks."""
        return {cell: tasks for cell, tasks in by_cell(self.plan.tasks).items() if cell in self.record.cells}

    @cached_property
    def claims(self) -> dict[str, Claim]:
        """Those that were declared."""
        return {claim.claim_id: claim for claim in self.plan.study.claims if claim.claim_id in self.record.claims}

    @cached_property
    def entries(self) -> dict[str, Entry]:
        return self.plan.entries()

    @cached_property
    def answers(self) -> "Answers":
        from rac_ray.results.answers import Answers
        from rac_ray.results.tables import load

        return Answers.of(load(self.plan.sweep.root, self.plan.tasks, []))

    @cached_property
    def took(self) -> dict[str, float]:
        """Seconds of each finished training of the plan."""
        records = [entry.record for entry in self.entries.values() if entry.record is not None]
        return {record.training_id: record.seconds["total"] for record in records}

    def seconds(self, tasks: Sequence[Task], expected: Mapping[str, float] | None = None) -> list[float]:
        """What tasks took, or will by the finished ones that differ from them in nothing but the seed; where there are
        none, by what is ``expected`` of those that have yet to run, or else by all finished ones."""
        told = {**(expected or {}), **self.took}
        usual = [*told.values()] or [0.0]
        cells = {
            cell: fmean([told[task.training_id] for task in of if task.training_id in told] or usual)
            for cell, of in self.cells.items()
        }
        return [self.took.get(task.training_id, cells[cell_of(task.training)]) for task in tasks]

    def hours(self, tasks: Sequence[Task]) -> float:
        """The same in hours, added up."""
        return sum(self.seconds(tasks)) / 3600

    def looked(self) -> "tuple[DecisionRecord, list[Verdict]]":
        """The record with all looks that are due, and the verdicts after them.

        A look at an undecided claim is due once all its seeds are planned, for whoever's sake.
        """
        from rac_ray.results.look_table import look_rows
        from rac_ray.results.over_looks import judge_over_looks, of_seeds, seen_of
        from rac_ray.results.verdicts import by_itself

        record = self.record
        for name, claim in self.claims.items():
            for number in self._due(claim) if record.ruling(name) not in DECIDED else ():
                seeds = record.looks_at[number - 1]
                alone = by_itself(of_seeds(self.answers, record.first_seeds(seeds)), claim, len(self.claims))
                run = alone.outcome != "not run"
                p_values = {each: getattr(alone, each) if run else 1.0 for each in P_VALUES}
                new = Look(claim=name, look=number, seeds=seeds, outcome=alone.outcome, **p_values)
                record = msgspec.structs.replace(record, looks=[*record.looks, new])
        seen = seen_of(look_rows([record], {task.training_id: "" for task in self.plan.tasks}))
        verdicts = judge_over_looks(self.answers, list(self.claims.values()), seen)
        return record.ruled({verdict.claim.claim_id: verdict.outcome for verdict in verdicts}), verdicts

    def _due(self, claim: Claim) -> range:
        """Numbers of the looks that a claim has not had and has the seeds for."""
        mine = [{task.training.seed for task in self.cells[cell]} for cell in cells_of(claim, self.cells)]
        planned = set.intersection(*mine)
        done = len(self.record.history(claim.claim_id))
        ready = [seeds for seeds in self.record.looks_at if planned.issuperset(self.record.first_seeds(seeds))]
        return range(done + 1, len(ready) + 1)

    def next_steps(self, verdicts: "Sequence[Verdict]") -> list[Step]:
        """What each undecided claim would be given, the nearest to a decision first: by the trainings that it lacks.

        A claim that could not be tested at its last look gets nothing: seeds do not teach a model that only guesses.
        """
        planned = {task.training_id for task in self.plan.tasks}
        steps: list[Step] = []
        for verdict in verdicts:
            name, done = verdict.claim.claim_id, len(self.record.history(verdict.claim.claim_id))
            until = self.record.schedule.after(done)
            hopeless = done and verdict.outcome == "not run"
            if until is None or verdict.outcome in DECIDED or hopeless:
                continue
            cells = cells_of(verdict.claim, self.cells)
            seeds = self.record.first_seeds(until)
            new = {seed: [with_seed(self.cells[cell][0], seed) for cell in cells] for seed in seeds}
            tasks = [task for of in new.values() for task in of if task.training_id not in planned]
            added = [seed for seed in seeds if any(task.training.seed == seed for task in tasks)]
            steps.append(Step(name, done + 1, added, cells, tasks, verdict.seeds_missing if done else None))
        costs = [None if step.missing is None else step.missing * len(step.cells) for step in steps]
        return [steps[place] for place in nearest(costs)]

    def grown(self, verdicts: "Sequence[Verdict]") -> DecisionRecord:
        """The record with the seeds of the first step that the budget pays, or with why there is none."""
        record, steps = self.record, self.next_steps(verdicts)
        there = set(record.trials_added)
        spent = [task for task in self.plan.tasks if task.training_id in there]
        for step in steps:
            if record.budget.pays(len(spent) + len(step.tasks), self.hours([*spent, *step.tasks])):
                ids = [task.training_id for task in step.tasks]
                new = Added(claim=step.claim, look=step.look, seeds=step.seeds, cells=step.cells, trainings=ids,
                            why=_why(step))  # fmt: skip
                return msgspec.structs.replace(record, added=[*record.added, new], ended="")
        open_ones = [verdict.claim.claim_id for verdict in verdicts if verdict.outcome not in DECIDED]
        why = f"the budget of {record.budget.words} does not pay for a next look" if steps else "no look is left"
        ended = f"{why}; undecided: {', '.join(open_ones)}" if open_ones else "every claim is decided"
        return msgspec.structs.replace(record, ended=ended)


def _why(step: Step) -> str:
    trials = counted(len(step.tasks), "trial")
    seeds = f"{step.claim} gets seeds {', '.join(map(str, step.seeds))} for its look {step.look} ({trials})"
    if step.look == 1:
        return f"{seeds}: it has too few to be looked at"
    if step.missing is None:
        return f"{seeds}: none is nearer to a decision, and how many seeds it lacks is unknown"
    return f"{seeds}: it is nearest to a decision, {step.missing} more would do were the effect as observed"


def at_most(plan: Plan, deciding: Deciding, only: str | None, price: Price) -> list[str]:
    """What a run adds at most, in words: what the budget pays, or all claims to their last look; nothing where nothing
    was or is to be declared. ``price`` is that of the plan. Raises BadInput as ``declaration`` does.
    """
    record = declaration(plan, deciding, only) if deciding.until_decided else DecisionBook(plan.sweep).of(plan.tasks)
    if record is None:
        return []
    standing = Standing(plan, record)
    planned = {task.training_id for task in plan.tasks}
    cells = {cell for claim in standing.claims.values() for cell in cells_of(claim, standing.cells)}
    whole = [
        with_seed(standing.cells[cell][0], seed) for cell in cells for seed in record.first_seeds(record.looks_at[-1])
    ]
    new = [task for task in whole if task.training_id not in planned]
    seconds = sorted(standing.seconds(new, price.expected if price.forecast else {}))
    there = set(record.trials_added)
    spent = sum(standing.seconds([task for task in plan.tasks if task.training_id in there]))
    left = math.inf if record.budget.hours is None else 3600 * record.budget.hours - spent
    trials = math.inf if record.budget.trials is None else record.budget.trials - len(there)
    paid = sum(total <= left for total in accumulate(seconds))
    open_ones = [name for name in record.claims if record.ruling(name) not in DECIDED]
    most = max(0, int(min(trials, paid))) if open_ones else 0
    hours = min(max(0.0, left), sum(sorted(seconds, reverse=True)[:most])) / 3600
    time = f", {hours:.2g} h of trial time" if hours else ""
    return [
        f"until decided: {record.schedule.words}; {record.words}",
        f"until decided: at most {counted(most, 'more trial')}{time}; {len(new)} would take every claim to its last "
        "look",
    ]


def run_until_decided(
    made: Plan,
    again: Callable[[], Plan],
    deciding: Deciding,
    resources: Resources,
    say: Callable[[str], None],
    listeners: Sequence[Listener] = (),
) -> str:
    """Run a plan, look, add seeds, run it again; returns why it stopped early, or nothing.

    ``again`` makes the plan anew, with what has been added. What is declared is written before
    anything runs, each look before what it adds is run: the same command goes on from wherever somebody ended it.
    Raises BadInput for what cannot be declared, Busy when another driver lives on the sweep.
    """
    book = DecisionBook(made.sweep)
    with ray_session(resources, made.title):
        with holding(made.sweep, DRIVER, resources.take_over):
            record = declaration(made, deciding)
            book.write(record)
        say(f"until decided: {record.schedule.words}; {record.words}; {book.address(record)}")
        while True:
            if reason := run_plan(made, resources, say, listeners=listeners):
                return reason
            with holding(made.sweep, DRIVER):
                before = Standing(made, declaration(made, deciding))
                looked, verdicts = before.looked()
                after = replace(before, record=looked).grown(verdicts)
                book.write(after)
            for line in told(before.record, after):
                say(f"until decided: {line}")
            if after.ended:
                return ""
            made, resources = again(), replace(resources, take_over=False)


def told(before: DecisionRecord, after: DecisionRecord) -> list[str]:
    """What a look has shown and added, a line each."""
    new = {name for name in after.claims if after.ruling(name) in DECIDED and before.ruling(name) not in DECIDED}
    decided = [
        f"{name} is {after.ruling(name)} at look {look.look} of {len(after.looks_at)} ({counted(look.seeds, 'seed')})"
        for name in after.claims
        if name in new and (look := after.history(name)[-1])
    ]
    return [*decided, *(each.why for each in after.added[len(before.added) :]), *([after.ended] * bool(after.ended))]
