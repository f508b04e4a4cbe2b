"""A search for the recipe of each model, size and source: its candidates, what they came to, the one that was chosen.

All candidates of a search have one seed of their own, the same data and the same most epochs; the recipe as given is
the first of them. They are judged by source validation alone: a candidate's task has no evaluations. One runs after the
other, so that which ones are cut does not depend on how many run side by side, or on when somebody interrupted it.

``<storage>/<sweep>/search/<search_id>.json`` is the truth about a search; the trainings of its candidates are in
``<storage>/<sweep>/search/trials/``, as those of a sweep are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, product
from typing import Any, Literal

import msgspec

from rac_ray.counted import counted
from rac_ray.errors import BadInput
from rac_ray.identity import Recipe, Training, Trial, digest_of
from rac_ray.store.files import BEST_CHECKPOINT, LAST_CHECKPOINT
from rac_ray.store.ledger import TRIALS, Ledger
from rac_ray.store.record import Count, Id, Positive, Share, decoded, encoded
from rac_ray.store.storage import Storage
from rac_ray.sweep.axes import with_recipe
from rac_ray.sweep.space import CANDIDATES, TUNABLE, Space, require_candidates, space_of
from rac_ray.training.selection import Selection
from rac_ray.training.task import Counts, Task

SEARCH = "search"
"""Folder below a sweep's."""
SEARCH_SEED = 999_983
"""Seed of all candidates, which nobody reports on: no trial that is reported had a part in the choice."""
MOST_REPEATS = 1000
"""Draws in a row that are nothing new, after which a space counts as exhausted."""
TUNED = "tuned"
"""First word of the variant of trials with a chosen recipe."""
_SCHEMA = 1


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe that was tried, and what it came to on source validation."""

    training_id: Id
    changes: dict[str, Any]
    """What of the recipe is not as given."""
    state: Literal["done", "cut", "failed"]
    val_top1: list[Share]
    """Of each epoch; of a cut one until it was cut."""
    reason: str = ""
    """Why it failed, or where it was cut."""

    def __post_init__(self) -> None:
        if other := self.changes.keys() - set(TUNABLE):
            raise ValueError(f"{min(other)!r} is no field of a recipe that is searched")
        msgspec.convert(self.changes, Recipe)

    @property
    def best_val_top1(self) -> float:
        """0 where there was no epoch."""
        return max(self.val_top1, default=0.0)


class SearchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All of a search's file."""

    schema: int = _SCHEMA
    study: str
    search_id: str
    model: str
    hidden_units: Positive
    size: str
    source: str
    about: dict[str, str]
    given: dict[str, Any]
    """The recipe that was there before."""
    space: list[str]
    rungs: list[Count]
    """Epochs after which all but the best third are cut."""
    candidates: list[Candidate]
    """Those that have ended, in their order."""
    trials: Count
    """Candidates that were asked for."""
    most: Count | None = None
    """Candidates that the space has at most, where that is fewer than were asked for."""
    chosen: str | None = None
    """Training id of the candidate with the best recipe; None while some have not ended, and where all failed."""

    def best_of(self, trials: int) -> Candidate | None:
        """The candidate with the highest validation top-1 of those that ran to their end, the earlier one on ties.

        None while not all have ended, and where none ran to its end.
        """
        if not self.ended(trials):
            return None
        whole = [each for each in self.candidates[:trials] if each.state == "done"]
        return max(whole, key=lambda each: each.best_val_top1, default=None)

    def ended(self, trials: int) -> bool:
        """Whether so many candidates have ended, or all of a space that has fewer."""
        return len(self.candidates) >= min(trials, self.most or trials)


@dataclass(frozen=True)
class Search:
    """One search: of a model at a size, trained on one source."""

    task: Task
    """What it is about, by the recipe as given."""
    space: Space
    trials: int

    @property
    def search_id(self) -> str:
        """12 hex digits over all that the choice depends on but the number of candidates: more of them go on."""
        return digest_of(cell_of(self.task.training), self.space.texts, SEARCH_SEED)[:12]

    @property
    def name(self) -> str:
        """Name for people: ``cnn3d h=4 2dot``."""
        return self.task.training.name.rpartition(" seed=")[0]

    def serves(self, tasks: Sequence[Task]) -> bool:
        """Whether one of the tasks has the recipe that it begins with."""
        return any(cell_of(task.training) == cell_of(self.task.training) for task in tasks)

    @property
    def variant(self) -> str:
        """What trials with the chosen recipe are called."""
        return f"{TUNED} {'+'.join(sorted(self.space.fields))} x{self.trials}"

    def candidates(self) -> list[Task]:
        """Their tasks, in order; fewer than asked for where the space has no more."""
        return [self._candidate(changes) for changes in islice(self._changes(), self.trials)]

    def _changes(self) -> Iterator[dict[str, Any]]:
        """The recipe as given, then draws that differ from all before."""
        seen, repeats = [dict[str, Any]()], 0
        yield {}
        given = asdict(self.task.training.recipe)
        for drawn in self.space.draws(self.search_id):
            changes = {name: value for name, value in drawn.items() if value != given[name]}
            repeats = repeats + 1 if changes in seen else 0
            if repeats > MOST_REPEATS:
                return
            if not repeats:
                seen.append(changes)
                yield changes

    def _candidate(self, changes: Mapping[str, Any]) -> Task:
        """A task that is evaluated on nothing: its training validates on the source, and that is all."""
        task = self.task
        blind = replace(
            task,
            training=replace(task.training, seed=SEARCH_SEED),
            evaluations=(),
            trials=(),
            counts=Counts(task.counts.train, task.counts.val, {}),
            selection=Selection(),
        )
        return with_recipe(blind, changes, several=tuple(changes))

    def tuned(self, task: Task, best: Candidate) -> Task:
        """A task of this search's model and size with the chosen recipe."""
        found = with_recipe(replace(task, trials=task.asked), best.changes, several=tuple(best.changes))
        trials = tuple(replace(each, variant=_joined(each.variant, self.variant)) for each in found.trials)
        return replace(found, trials=trials)


def tuned_fields(variant: str) -> tuple[str, ...]:
    """The fields that a search chose for trials of a variant; none of one that no search made."""
    tuned, *words = variant.rpartition("; ")[2].split() or [""]
    return tuple(name for name in "+".join(words[:1]).split("+") if name in TUNABLE) if tuned == TUNED else ()


def _joined(*words: str) -> str:
    return "; ".join(word for word in words if word)


def cell_of(training: Training) -> str:
    """What trainings share that differ in nothing but their seed."""
    own = {
        name: value for name, value in asdict(training).items() if name not in ("about", "variants", "seed", "recipe")
    }
    return digest_of(own, training.recipe.identity())


def searches_of(tasks: Sequence[Task], asked: Mapping[str, Any]) -> tuple[Search, ...]:
    """A search for each model, size, source and given recipe of the tasks; none where nothing is to be tuned.

    Raises BadInput for a space that is none, for a field that is an axis, too, and for a candidate that no model can
    have or that the clips do not fill a batch of.
    """
    if not asked.get("tune"):
        if asked.get("tune") is None and asked.get("tune_trials") is not None:
            raise BadInput("--tune-trials says how many recipes are tried, but --tune names no field to try")
        return ()
    space = space_of(asked["tune"])
    for name, values in space.fields.items():
        if len(given := asked.get(name) or ()) > 1:
            raise BadInput(f"{name} is to be tuned and has {len(given)} values to run; valid: one of both")
        for task, value in product(tasks, values.ends):
            with_recipe(task, {name: value}, several=())
    first = {cell_of(task.training): task for task in reversed(tasks)}
    trials = CANDIDATES if asked.get("tune_trials") is None else require_candidates(asked["tune_trials"])
    ordered = {cell_of(task.training): first[cell_of(task.training)] for task in tasks}
    return tuple(Search(task, space, trials) for task in ordered.values())


@dataclass(frozen=True)
class SearchBook:
    """The files of a sweep's searches."""

    sweep: Storage

    @property
    def ledger(self) -> Ledger:
        """The trainings of all candidates."""
        return Ledger(self.sweep.below(SEARCH))

    def read(self, search_id: str) -> SearchRecord | None:
        """What is known of a search; None where it has not begun. Raises Damaged for a file that is none."""
        content = self.sweep.below(SEARCH).read_if_there(f"{search_id}.json")
        if content is None:
            return None
        return decoded(content, SearchRecord, _SCHEMA, self.address(search_id), "a search")

    def write(self, record: SearchRecord) -> None:
        """Replace what is known of a search."""
        self.sweep.below(SEARCH).write_bytes(f"{record.search_id}.json", encoded(record))

    def address(self, search_id: str) -> str:
        """Path or URI of a search's file, for people to open."""
        return self.sweep.below(SEARCH).address(f"{search_id}.json")

    def all(self) -> list[SearchRecord]:
        """Every search of the sweep."""
        names = [name for name in self.sweep.names(SEARCH) if name.endswith(".json")]
        found = [self.read(name.removesuffix(".json")) for name in sorted(names)]
        return [record for record in found if record is not None]

    def leftovers(self, best_checkpoints: bool = False) -> dict[str, int]:
        """Bytes of each file that candidates which have ended no longer need, by its path in the sweep's folder.

        Those are running checkpoints of cut ones, too, and, with ``best_checkpoints``, all weights: only the curves of
        candidates count.
        """
        ended = {each.training_id for record in self.all() for each in record.candidates}
        names = {LAST_CHECKPOINT, *([BEST_CHECKPOINT] if best_checkpoints else [])}
        return {
            f"{SEARCH}/{TRIALS}/{path}": size
            for path, size in self.ledger.storage.sizes(TRIALS).items()
            if path.partition("/")[0] in ended and path.rpartition("/")[2] in names
        }

    def best(self, search: Search) -> Candidate | None:
        """What a search chose, if it has ended."""
        record = self.read(search.search_id)
        return record.best_of(search.trials) if record else None


def with_choices(tasks: Sequence[Task], searches: Sequence[Search], book: SearchBook) -> list[Task]:
    """The tasks, and of each search that has ended the same with the chosen recipe; each training once."""
    cells = {cell_of(search.task.training): search for search in searches}
    chosen = {cell: (search, book.best(search)) for cell, search in cells.items()}
    found = {task.training_id: task for task in tasks}
    for task in tasks:
        search, best = chosen.get(cell_of(task.training), (None, None))
        if search is None or best is None:
            continue
        tuned = search.tuned(task, best)
        there = found.get(tuned.training_id)
        found[tuned.training_id] = replace(there, trials=_together(there, tuned)) if there else tuned
    return list(found.values())


def _together(there: Task, more: Task) -> tuple[Trial, ...]:
    return tuple({trial.trial_id: trial for trial in (*there.asked, *more.asked)}.values())


def chosen_words(best: Candidate | None, trials: int) -> str:
    """What a search came to, in words."""
    if best is None:
        return f"none of {counted(trials, 'candidate')} came to its end, so no recipe was chosen"
    changes = ", ".join(f"{name} {value}" for name, value in best.changes.items()) or "the recipe as given"
    return f"{changes} is the best of {trials}, with a val top-1 of {best.best_val_top1:.3f}"
