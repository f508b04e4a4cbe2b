"""What a verb is asked: of which folders, which part of which grid; and the plan that follows from it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rac_ray.counted import counted
from rac_ray.errors import BadInput, one_of
from rac_ray.identity import PRECISIONS
from rac_ray.store.entry import Entry
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.decisions import DecisionBook
from rac_ray.sweep.only import Only
from rac_ray.sweep.outcomes import TrialStatus
from rac_ray.sweep.planner import Plan, make_plan
from rac_ray.sweep.remembered import last_options, options_file
from rac_ray.sweep.search import SearchBook, chosen_words

if TYPE_CHECKING:
    from rac_ray.studies.study import Study

STORAGE = "RAC_RAY_STORAGE"
"""Environment variable: a folder or URI for results and data, the one setting of a cluster's shared storage."""


@dataclass(frozen=True)
class Where:
    """Folders or URIs."""

    storage: str | None = None
    """Folder or URI for records, tables and figures (default: $RAC_RAY_STORAGE/results, or results)."""
    data: str | None = None
    """Folder or URI for shards (default: data/<sweep>-<preset>, in $RAC_RAY_STORAGE if set)."""

    def places(self, study: "Study", preset: str) -> tuple[str, str]:
        """Folders or URIs of results and of data. Raises BadInput where a file stands in the place of one."""
        folder = Storage.at(os.environ.get(STORAGE) or ".")
        data = self.data or folder.below("data", study.data_folder(preset)).root
        storage = self.storage or folder.below("results").root
        for place in (storage, data):
            Storage.at(place).require_folder()
        return storage, data


@dataclass(frozen=True)
class Which:
    """The part of a study's grid that is asked for."""

    only: str | None = None
    """Narrows the grid, as in 'model=convlstm|cnn3d,hidden_units<=8,state=failed'."""
    precision: str | None = None
    """One of auto, 32, 16-mixed, bf16-mixed, where a recipe does not say (default: auto, 16 bits on GPUs)."""


def preset_of(study: "Study", preset: str) -> str:
    """A preset's name, by default the study's. Raises BadInput for one that there is not."""
    name = preset or study.default_preset
    if name not in study.presets:
        raise one_of("preset", name, study.presets)
    return name


def presets_here(study: "Study", where: Where) -> list[str]:
    """Presets that have been run on a storage."""
    return [name for name in study.presets if last_options(study, name, where.places(study, name)[0])]


def looked_at(study: "Study", preset: str, where: Where) -> list[str]:
    """The presets that a verb looks at which runs nothing: the named one, or all that have been run on the storage, or
    the study's own where none has been."""
    return [preset_of(study, preset)] if preset else presets_here(study, where) or [study.default_preset]


def planned(
    study: "Study", preset: str, where: Where, which: Which, asked: Mapping[str, Any], precision: str | None
) -> Plan:
    """The plan of what is asked for; ``precision`` is what ``auto`` means (None: as in the last run, or here)."""
    if which.precision is not None and which.precision not in PRECISIONS:
        raise one_of("precision", which.precision, PRECISIONS)
    given = which.precision if which.precision not in (None, "auto") else precision
    only = Only.parse(which.only, tuple(study.every_variant)) if which.only is not None else None
    storage, data = where.places(study, preset)
    return make_plan(study, preset, storage, data, asked, only, given)


def as_last_run(study: "Study", preset: str, where: Where, which: Which, asked: Mapping[str, Any]) -> Plan:
    """The plan for a verb that runs nothing: what is left open it takes from the preset's last run."""
    names = looked_at(study, preset, where)
    if len(names) > 1:
        raise BadInput(f"which preset? on this storage have been run: {', '.join(names)}; name one with --preset")
    return planned(study, names[0], where, which, with_last(study, names[0], where, asked), None)


def require_started(made: Plan) -> None:
    """Raise BadInput for a plan of which no trial has left anything to show."""
    if {task.training_id for task in made.tasks} & set(made.ledger.training_ids()):
        return
    small = next(iter(made.study.presets))
    names = dict.fromkeys([small, made.preset])
    raise BadInput(
        f"no results in {made.ledger.storage.root!r}: no trial of preset {made.preset} has begun; start with "
        f"{' or '.join(f'`run --preset {name}`' for name in names)}"
    )


def with_last(study: "Study", preset: str, where: Where, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The study's options: those that are given, else those of the preset's last run. Raises BadInput for a file of
    these that has values which no run has."""
    storage, _ = where.places(study, preset)
    last, file = last_options(study, preset, storage), options_file(study, preset, storage)
    return {
        option.name: option.remembered(last[option.name], file)
        if asked.get(option.name) is None and last.get(option.name) is not None
        else asked.get(option.name)
        for option in study.all_options
    }


def typed_last(study: "Study", preset: str, where: Where, asked: Mapping[str, Any]) -> list[str]:
    """The words by which a run is given what the preset's last one was and this command was not."""
    last = with_last(study, preset, where, asked)
    left_open = [option for option in study.all_options if asked.get(option.name) is None and last[option.name]]
    return [word for option in left_open for word in option.typed(last[option.name])]


def ledger_of(study: "Study", preset: str, where: Where) -> Ledger:
    """The sweep's ledger, for verbs that need no plan."""
    storage, _ = where.places(study, preset_of(study, preset))
    return Ledger(Storage.at(storage).below(study.name))


def trials_of(made: Plan, entries: Mapping[str, Entry], driver: str | None) -> list[TrialStatus]:
    """The state of each planned trial."""
    return [
        TrialStatus(
            trial.trial_id,
            task.training_id,
            trial.name,
            entries[task.training_id].state_of(trial, driver),
            entries[task.training_id].reason_of(trial, driver),
            entries[task.training_id].attempts,
            sum(entries[task.training_id].sizes.values()),
        )
        for task in made.tasks
        for trial in task.asked
    ]


def given_up(trials: Iterable[TrialStatus]) -> list[TrialStatus]:
    """Those of planned trials that ``retry`` runs once more."""
    return [trial for trial in trials if trial.state == "failed"]


def about_data(made: Plan) -> dict[str, str]:
    """What the study says of the data of each of a plan's grids."""
    return {name: value for part in made.parts for name, value in made.study.about(part.grid, part.data).items()}


def searched(made: Plan) -> list[str]:
    """A line for each search of the plan: what it chose, or how far it has come."""
    book = SearchBook(made.sweep)
    lines = []
    for search in made.searches:
        record = book.read(search.search_id)
        if record is not None and record.ended(search.trials):
            said = chosen_words(record.best_of(search.trials), search.trials)
        else:
            ended = len(record.candidates) if record else 0
            said = f"{ended} of {counted(search.trials, 'candidate has', 'candidates have')} ended"
        lines.append(f"search {search.search_id} {search.name}: {said}")
    return lines


def decided(made: Plan) -> list[str]:
    """Where a plan stands that adds seeds until its claims are decided; nothing of any other plan."""
    record = DecisionBook(made.sweep).of(made.tasks)
    return [f"until decided: {record.words}"] if record else []
