"""What a sweep will do, before anything runs: its trainings, their trials, its disk. Starts no Ray."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache, reduce
from operator import add
from typing import TYPE_CHECKING, Any

from rac_ray.counted import counted
from rac_ray.errors import BadInput, one_of
from rac_ray.identity import PRECISIONS, Training, Trial, digest_of, values_in
from rac_ray.store.entry import Entry, State
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.axes import with_recipes
from rac_ray.sweep.decisions import DecisionBook, with_added
from rac_ray.sweep.feeds import Way
from rac_ray.sweep.forecast import Interval
from rac_ray.sweep.only import Only
from rac_ray.sweep.remembered import apart, last_options
from rac_ray.sweep.search import Search, SearchBook, searches_of, with_choices
from rac_ray.sweep.variants import Part, of_variation, parts_of, variations
from rac_ray.training.task import Task
from rac_ray.training.weights import has_weights

if TYPE_CHECKING:
    from rac_ray.studies.study import MissingData, Study

BYTES_PER_TRAINING = 500_000
"""Record, predictions and epochs of a training, generously; its checkpoints come on top."""
WEIGHT_BYTES, PREDICTION_BYTES, RECORD_BYTES = 4, 32, 10_000
"""What a finished training was seen to take, by parameter, by evaluated clip, and for the rest."""
CLASS_BYTES = 4
"""Size of a prediction, for each class."""
BYTES_PER_PARAMETER = 16
"""Size of checkpoints: best weights once on their own; weights, momentum and best weights in the running one."""
ONLY_LETTERS = 40
"""Letters of what was asked for that the name of a folder of results has."""


@dataclass(frozen=True)
class Plan:
    """A study's grids, or what ``--only`` leaves of them, on a storage and a data folder."""

    study: "Study"
    preset: str
    grids: Mapping[str, Any]
    """One for each combination of the study's variants, by the key of its trainings."""
    tasks: tuple[Task, ...]
    data: Storage
    ledger: Ledger
    asked: Mapping[str, Any] = field(default_factory=dict)
    """Options of the study that were given in place of the preset's."""
    retry_failed: bool = False
    """Whether trials that were given up are run again."""
    searches: tuple[Search, ...] = ()
    """Searches for recipes; the tasks with those that were chosen are among the plan's."""
    is_search: bool = False
    """Whether these are the candidates of the searches, in a ledger of their own."""
    delivered: Way = "resident"
    """How stored clips go to trainings, once that is decided."""
    only: str = ""
    """The filter that left these trials of the grids; empty: they are all."""
    settled: Mapping[str, State] = field(default_factory=dict)
    """By id, candidates that have ended: one that was cut has no record."""

    @property
    def sweep(self) -> Storage:
        """The folder of the whole sweep, which one driver at a time has."""
        return self.ledger.storage.above if self.is_search else self.ledger.storage

    @property
    def title(self) -> str:
        return f"{self.study.name} {self.preset}"

    @cached_property
    def parts(self) -> list[Part]:
        """Its grids with their tasks."""
        return parts_of(self.study, self.grids, self.data, self.tasks)

    def part_of(self, training: Training) -> Part:
        """The grid of one of its trainings."""
        return next(part for part in self.parts if part.tasks[0].training.grid_key == training.grid_key)

    @property
    def folder(self) -> Storage:
        """The folder of the preset: its options and its forecast."""
        return self.sweep.below(self.preset)

    @property
    def outputs(self) -> Storage:
        """The folder of its tables, figures and report: the preset's, or one of its own where it has other trials."""
        said = ",".join([*apart(self), *([self.only] if self.only else [])])
        words = "-".join(re.findall(r"[\w.]+", said))[:ONLY_LETTERS]
        return self.folder.below(f"only-{words}-{digest_of(said)[:6]}") if said else self.folder

    @property
    def shown(self) -> dict[str, Any]:
        """What of a sweep's folder its results are of, for ``results.shown.show``."""
        return {"tasks": self.tasks, "searches": [search.search_id for search in self.searches]}

    @property
    def trials(self) -> list[Trial]:
        """All that are asked for."""
        return [trial for task in self.tasks for trial in task.asked]

    @property
    def trial_ids(self) -> list[str]:
        return [trial.trial_id for trial in self.trials]

    def entries(self) -> dict[str, Entry]:
        """What the ledger holds of each training, in the plan's order; what is to be run again is known by its whole
        tables."""
        return self.ledger.scan(self.tasks, whole=self.retry_failed or None)

    def states(self, entries: Mapping[str, Entry], driver: str | None) -> dict[str, State]:
        """State by trial id; each planned trial is in exactly one."""
        return {
            trial.trial_id: entries[task.training_id].state_of(trial, driver)
            for task in self.tasks
            for trial in task.asked
        }

    def missing(self, entries: Mapping[str, Entry]) -> list[Task]:
        """Tasks that are not done."""
        over = self.settled
        return [task for task in self.tasks if not entries[task.training_id].done and task.training_id not in over]

    def trained(self, entries: Mapping[str, Entry]) -> set[str]:
        """Ids of the missing tasks that are only evaluated: they are trained, and have the weights for it."""
        found = [(task, entries[task.training_id]) for task in self.missing(entries)]
        return {task.training_id for task, entry in found if has_weights(entry.record, entry.sizes, task)}

    def elsewhere(self, entries: Mapping[str, Entry]) -> dict[str, Ledger]:
        """Other sweeps' ledgers on the same storage that have finished trainings of this plan, by training id."""
        missing = {
            task.training_id: task
            for task in self.tasks
            if entries[task.training_id].record is None and not entries[task.training_id].damaged
        }
        found: dict[str, Ledger] = {}
        for other in self.ledger.others() if missing else []:
            there = set(other.training_ids())
            known = other.scan([task for training_id, task in missing.items() if training_id in there - found.keys()])
            found |= {training_id: other for training_id, entry in known.items() if entry.record is not None}
        return found

    def forget_damaged(self) -> None:
        """Let trainings whose tables are damaged run again. Raises BadInput."""
        for training_id, entry in self.ledger.scan(self.tasks, whole=True).items():
            if entry.damaged:
                self.ledger.forget_damaged(training_id)

    def adopt(self) -> int:
        """Take over what other sweeps on the same storage have finished; returns how many trainings."""
        found = self.elsewhere(self.entries())
        for training_id, other in found.items():
            self.ledger.adopt(other, training_id)
        return len(found)

    def missing_data(self) -> "MissingData":
        """The part of the data that has yet to be made."""
        return reduce(add, (self.study.missing(part.grid, part.data, part.tasks) for part in self.parts))

    def bytes_expected(self, entries: Mapping[str, Entry]) -> Interval:
        """Further disk: as finished trainings took, or from weights and predictions; at most ``bytes_needed``."""
        finished = [sum(entry.sizes.values()) for entry in entries.values() if entry.done]
        missing = self.missing(entries)
        weights = sum(WEIGHT_BYTES * parameters_of(task.subject.build) * _checkpoints(task) for task in missing)
        guess = weights + sum(_prediction_bytes(task) + RECORD_BYTES for task in missing)
        expected = sum(finished) / len(finished) * len(missing) if finished else guess
        data, high = self.missing_data().disk, self.bytes_needed(entries)
        return Interval(min(high, weights + data.low), min(high, expected + data.expected), high)

    def bytes_needed(self, entries: Mapping[str, Entry]) -> int:
        """Upper bound on disk for the data that is missing and the results of the trainings that are."""
        data = self.missing_data().disk.high
        return int(data) + sum(bytes_of(task) for task in self.missing(entries))


def bytes_of(task: Task) -> int:
    """Upper bound on what a training takes on disk."""
    parameters = parameters_of(task.subject.build)
    levels = WEIGHT_BYTES * (_checkpoints(task) - 1)
    return BYTES_PER_TRAINING + (BYTES_PER_PARAMETER + levels) * parameters + _prediction_bytes(task)


def _checkpoints(task: Task) -> int:
    """Number of checkpoints that a training keeps at most, the best one included."""
    keeper = task.selection.keeper()
    return 1 + (len(keeper.wanted) if keeper else 0)


def _prediction_bytes(task: Task) -> int:
    per_clip = PREDICTION_BYTES + CLASS_BYTES * task.subject.num_classes
    return per_clip * task.clips_asked


@lru_cache(maxsize=4096)
def parameters_of(build: Callable[[], Any]) -> int:
    """Trainable parameters of what ``build`` builds, counted without allocating any."""
    from rac_ray.models import count_parameters
    from rac_ray.models.shapes import shaped

    return count_parameters(shaped(build))


def make_plan(
    study: "Study",
    preset: str,
    storage: str,
    data: str,
    asked: Mapping[str, Any] | None = None,
    only: Only | None = None,
    precision: str | None = None,
) -> Plan:
    """Validate everything that can be known before compute is spent. Raises BadInput; writes nothing.

    ``asked`` are options of the study in place of the preset's; ``precision`` is what ``auto`` means (None: what it
    meant when the preset was last run, or on this machine).
    """
    if preset not in study.presets:
        raise one_of("preset", preset, study.presets)
    valid = [option.name for option in study.all_options]
    for name in asked or {}:
        if name not in valid:
            raise one_of("option", name, valid)
    ledger, root = Ledger(Storage.at(storage).below(study.name)), Storage.at(data)
    last = last_options(study, preset, storage).get("precision")
    known = precision or (last if last in PRECISIONS[1:] else precision_on(local_gpus()))
    grids: dict[str, Any] = {}
    tasks: list[Task] = []
    for each in variations(study, study.presets[preset], asked or {}):
        own = study.tasks(each.grid, study.folder(each.grid, root), known)
        tasks += with_recipes([of_variation(study, task, each) for task in own], asked or {})
        grids[each.key] = each.grid
    given = distinct(tasks)
    searches = searches_of(given, asked or {})
    tasks = with_choices(given, searches, SearchBook(ledger.storage))
    tasks = with_added(tasks, DecisionBook(ledger.storage))
    if only is not None:
        tasks = chosen(tasks, only, ledger)
        searches = tuple(search for search in searches if search.serves(tasks))
    return Plan(
        study, preset, grids, tuple(tasks), root, ledger, asked or {}, searches=searches, only=only.text if only else ""
    )


def distinct(tasks: Sequence[Task]) -> list[Task]:
    """Each training once, the first of its tasks: two grids may come to the same clips."""
    found: dict[str, Task] = {}
    for task in tasks:
        found.setdefault(task.training_id, task)
    return list(found.values())


def chosen(tasks: Sequence[Task], only: Only, ledger: Ledger) -> list[Task]:
    """What a filter leaves of the tasks and of the trials that each serves; BadInput when it leaves nothing."""
    entries = ledger.scan(tasks) if only.needs_state else {}
    driver = ledger.driver() if only.needs_state else None
    rows = [_row(task, trial, entries.get(task.training_id), driver) for task in tasks for trial in task.asked]
    only.require_known(rows)
    kept = {row["trial_id"] for row in rows if only.holds(row)}
    left = [replace(task, trials=tuple(trial for trial in task.asked if trial.trial_id in kept)) for task in tasks]
    found = [task for task in left if task.trials]
    if not found:
        fields = dict.fromkeys(condition.field for condition in only.conditions if condition.field != "trial_id")
        have = "; ".join(f"{name} {', '.join(str(v) for v in dict.fromkeys(r[name] for r in rows))}" for name in fields)
        raise BadInput(
            f"--only {only.text!r} leaves none of {counted(len(rows), 'planned trial')}; they have {have or '-'}"
        )
    return found


def _row(task: Task, trial: Trial, entry: Entry | None, driver: str | None) -> dict[str, Any]:
    training = task.training
    axes = {name: getattr(training, name) for name in ("model", "hidden_units", "source", "seed", "size")}
    state = entry.state_of(trial, driver) if entry else None
    return {
        **asdict(training.recipe),
        **axes,
        **training.variants,
        **values_in(trial.variant),
        "experiment": trial.experiment,
        "variant": trial.variant,
        "trial_id": trial.trial_id,
        "state": state,
    }


def precision_on(gpus: float) -> str:
    """What ``auto`` means on a machine or cluster with so many GPUs."""
    return "16-mixed" if gpus else "32"


def local_gpus() -> int:
    """GPUs of this machine."""
    import torch

    return torch.cuda.device_count()
