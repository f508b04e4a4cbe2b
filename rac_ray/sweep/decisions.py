"""What a sweep declared before it looked at its claims, what it saw at each look, and which seeds it added for whom.

``<storage>/<sweep>/decisions/<id>.json`` is the truth about it. It is written before the first look, and each look
together with what follows from it at once: whoever goes on, goes on from there. A plan has the seeds that were added as
if its grid had named them, with every verb, wherever it has all of the seeds that were there before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Annotated

import msgspec

from rac_ray.counted import counted
from rac_ray.errors import BadInput
from rac_ray.identity import digest_of
from rac_ray.results.claims import DECIDED, Claim, Term
from rac_ray.results.schedule import Schedule
from rac_ray.store.record import Count, Id, Positive, Seed, Share, decoded, encoded
from rac_ray.store.storage import Storage
from rac_ray.sweep.search import cell_of
from rac_ray.training.task import Task

DECISIONS = "decisions"
"""Folder below a sweep's."""
MOST_AT_A_LOOK = 1000
"""Seeds that a look may be at."""
_SCHEMA = 1


@dataclass(frozen=True)
class Deciding:
    """Whether further seeds go where a claim is nearest to a decision, and how many."""

    until_decided: bool = False
    """After the plan's seeds, add seeds where a claim is nearest to a decision, until all are decided or a budget is
    spent."""
    budget_trials: int | None = None
    """Trainings that --until-decided adds at most."""
    budget_hours: float | None = None
    """Hours of trials that --until-decided adds at most, by what finished ones took."""
    most_seeds: int | None = field(default=None, metadata={"least": 3})
    """Seeds of its last look at a claim (default: what the budget pays, at most 20)."""

    def __post_init__(self) -> None:
        budgets = {"--budget-trials": self.budget_trials, "--budget-hours": self.budget_hours}
        given = [name for name, value in budgets.items() if value is not None]
        if self.until_decided and not given:
            raise BadInput("--until-decided has no budget; valid: with --budget-trials, --budget-hours or both")
        given += ["--most-seeds"] if self.most_seeds is not None else []
        if given and not self.until_decided:
            raise BadInput(f"{given[0]} is for --until-decided, which is not given")
        if self.most_seeds is not None and self.most_seeds > MOST_AT_A_LOOK:
            raise BadInput(f"--most-seeds is {self.most_seeds}; valid: at most {MOST_AT_A_LOOK}")

    @property
    def budget(self) -> "Budget":
        """What it may cost."""
        return Budget(trials=self.budget_trials, hours=self.budget_hours)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What may be added at most; None: no such limit."""

    trials: Count | None
    """Trainings."""
    hours: Annotated[float, msgspec.Meta(ge=0)] | None
    """Hours of trainings, added up."""

    @property
    def words(self) -> str:
        """``40 trials and 2 h``."""
        said = [] if self.trials is None else [counted(self.trials, "trial")]
        return " and ".join([*said, *([f"{self.hours:g} h"] if self.hours is not None else [])])

    def pays(self, trials: int, hours: float) -> bool:
        """Whether so much is within it."""
        return (self.trials is None or trials <= self.trials) and (self.hours is None or hours <= self.hours)

    def covers(self, other: "Budget") -> bool:
        """Whether it is no smaller than another one."""
        pairs = ((self.trials, other.trials), (self.hours, other.hours))
        return all(mine is None or (its is not None and mine >= its) for mine, its in pairs)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What one claim came to at one look, by itself."""

    claim: str
    look: Positive
    """1, 2, .."""
    seeds: Positive
    p_for: Share
    """In every measure; neither corrected over looks nor over claims, and so are the others."""
    p_against: Share
    p_for_paper: Share
    """In the paper's measure alone."""
    p_against_paper: Share
    outcome: str
    """Ruling after this look, by p values that are corrected over both."""


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """Seeds that were given to one claim."""

    claim: str
    look: Positive
    """The look that they are for."""
    seeds: list[Seed]
    cells: list[str]
    """What was trained with these seeds, by its id in the record's ``cells``."""
    trainings: list[Id]
    """Ids of those that were not planned before."""
    why: str


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All of the file."""

    schema: int = _SCHEMA
    study: str
    preset: str
    record_id: str
    cells: dict[str, str]
    """Names of what differs in more than its seed, by id."""
    seeds: list[Seed]
    """Those of the plan; further ones are the numbers from 0 up that are not among them."""
    trainings: list[Id]
    """Ids of the plan's."""
    finished_before: Count
    """Of these, how many had been finished when it was declared."""
    claims: list[str]
    """Those that the plan can test."""
    alpha: Share
    spending: str
    looks_at: list[Annotated[int, msgspec.Meta(ge=1, le=MOST_AT_A_LOOK)]]
    """Seeds of each look."""
    weights: list[Annotated[float, msgspec.Meta(gt=0, le=1)]]
    """Share of alpha that each look may spend."""
    budget: Budget
    looks: list[Look] = []
    added: list[Added] = []
    ended: str = ""
    """Why no further seeds are added; empty while it goes on."""

    def __post_init__(self) -> None:
        """Raises ValueError, as msgspec wants it, where one part does not fit the others."""
        if len(self.weights) != len(self.looks_at):
            raise ValueError(f"it has {len(self.looks_at)} looks, and {len(self.weights)} weights of looks")
        for look in self.looks:
            if look.claim not in self.claims:
                raise ValueError(f"it has a look at {look.claim!r}, which it does not declare")
            if look.look > len(self.looks_at) or look.seeds != self.looks_at[look.look - 1]:
                raise ValueError(f"it has a look {look.look} at {look.seeds} seeds, which it does not declare")

    @property
    def schedule(self) -> Schedule:
        return Schedule(tuple(self.looks_at), tuple(self.weights), self.spending)

    def first_seeds(self, number: int) -> list[int]:
        """So many seeds: the plan's, then the numbers from 0 up that are not among them."""
        further = (seed for seed in count() if seed not in self.seeds)
        return [*self.seeds, *islice(further, max(0, number - len(self.seeds)))][:number]

    def history(self, claim: str) -> list[Look]:
        """The looks at a claim."""
        return [look for look in self.looks if look.claim == claim]

    def ruling(self, claim: str) -> str:
        """The outcome of the last look at a claim; empty before the first."""
        return next((look.outcome for look in reversed(self.looks) if look.claim == claim), "")

    def ruled(self, rulings: Mapping[str, str]) -> "DecisionRecord":
        """With these rulings at the last look at each claim; one that is decided stays as it was."""
        last = {look.claim: place for place, look in enumerate(self.looks)}
        looks = list(self.looks)
        for claim, place in last.items():
            if self.ruling(claim) not in DECIDED:
                looks[place] = msgspec.structs.replace(looks[place], outcome=rulings[claim])
        return msgspec.structs.replace(self, looks=looks)

    @property
    def trials_added(self) -> list[str]:
        """Ids of all trainings that were added."""
        return [each for added in self.added for each in added.trainings]

    @property
    def words(self) -> str:
        """Where it stands, in one line."""
        decided = [name for name in self.claims if self.ruling(name) in DECIDED]
        added = counted(len(self.trials_added), "added trial")
        said = f"{len(decided)} of {len(self.claims)} claims are decided after {added}"
        return f"{said} of a budget of {self.budget.words}" + (f"; ended: {self.ended}" if self.ended else "")


def record_id_of(cells: Iterable[str], seeds: Sequence[int]) -> str:
    """12 hex digits over what is declared upon."""
    return digest_of("decisions", sorted(cells), list(seeds))[:12]


@dataclass(frozen=True)
class DecisionBook:
    """The declarations of a sweep."""

    sweep: Storage

    def all(self) -> list[DecisionRecord]:
        """Every one. Raises Damaged for a file that is none."""
        names = sorted(name for name in self.sweep.names(DECISIONS) if name.endswith(".json"))
        return [self._read(name) for name in names]

    def of(self, tasks: Sequence[Task]) -> DecisionRecord | None:
        """The one about any of the tasks; there is never a second one."""
        known = self.all()
        cells = {cell_of(task.training) for task in tasks} if known else set()
        return next((record for record in known if cells & record.cells.keys()), None)

    def _read(self, name: str) -> DecisionRecord:
        folder = self.sweep.below(DECISIONS)
        return decoded(folder.read_bytes(name), DecisionRecord, _SCHEMA, folder.address(name), "decisions")

    def write(self, record: DecisionRecord) -> None:
        """Replace one, whole."""
        self.sweep.below(DECISIONS).write_bytes(f"{record.record_id}.json", encoded(record))

    def address(self, record: DecisionRecord) -> str:
        """Path or URI of a file, for people to open."""
        return self.sweep.below(DECISIONS).address(f"{record.record_id}.json")


def with_seed(task: Task, seed: int) -> Task:
    """The same of another seed."""
    return task.with_training(replace(task.training, seed=seed))


def by_cell(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    """Tasks that differ in their seeds only, by the id of what they share."""
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(cell_of(task.training), []).append(task)
    return found


def with_added(tasks: Sequence[Task], book: DecisionBook) -> list[Task]:
    """The tasks, and those that were added to them: wherever they have all seeds that were declared upon."""
    found = {task.training_id: task for task in tasks}
    records = book.all()
    cells = by_cell(tasks) if records else {}
    for record in records:
        whole = {cell for cell, mine in cells.items() if set(record.seeds) <= {task.training.seed for task in mine}}
        for added in record.added:
            for cell in filter(whole.__contains__, added.cells):
                for task in (with_seed(cells[cell][0], seed) for seed in added.seeds):
                    found.setdefault(task.training_id, task)
    return list(found.values())


def terms_of(claim: Claim) -> Iterator[Term]:
    """Every figure that a claim compares."""
    for contrast in claim.contrasts:
        yield from (side for side in (contrast.higher, contrast.lower) if isinstance(side, Term))


def serves(task: Task, term: Term) -> bool:
    """Whether a task's trials are among those of a figure."""
    training = task.training
    return (
        (training.model, training.source) == (term.model, term.source)
        and (not term.sizes or training.hidden_units in term.sizes)
        and (not term.experiments or not {trial.experiment for trial in task.asked}.isdisjoint(term.experiments))
    )


def cells_of(claim: Claim, cells: Mapping[str, Sequence[Task]]) -> list[str]:
    """What has to be trained for a claim, out of ``by_cell``; nothing where one of its figures cannot be had."""
    terms = list(terms_of(claim))
    chosen = [cell for cell, tasks in cells.items() if any(serves(tasks[0], term) for term in terms)]
    whole = all(any(serves(cells[cell][0], term) for cell in chosen) for term in terms)
    return chosen if whole else []
