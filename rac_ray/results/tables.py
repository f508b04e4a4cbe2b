"""Records to tidy DataFrames: trials, epochs, evaluations, predictions, failures. No Ray, no torch.

Failed trials and trials that have not run keep their row in ``trials``, with the reason. A folder of which nobody can
tell what was planned there keeps one in ``failures``, and is named by all that stands on the tables.
"""

import io
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rac_ray.errors import BadInput
from rac_ray.results.basis import clips_in_words, trials_in_words, untold_in_words, weights_in_words
from rac_ray.results.candidates import candidate_rows
from rac_ray.results.columns import (
    DIFFERENCE,
    EVALUATION_COLUMNS,
    FAILURE_COLUMNS,
    KEY,
    LOOK_COLUMNS,
    TOP5,
    TRIAL_COLUMNS,
    VARIANT,
)
from rac_ray.results.look_table import look_rows
from rac_ray.results.recipes import recipe_column
from rac_ray.results.told import Told, trials_of
from rac_ray.store.entry import Entry
from rac_ray.store.files import EPOCHS, PREDICTIONS, TRIAL, is_failure
from rac_ray.store.ledger import Ledger
from rac_ray.store.parquet import NO_TABLE, NUMBERS, OF_EPOCHS, OF_PREDICTIONS, TEXT, WHOLE, Kind, in_short
from rac_ray.store.record import Damaged
from rac_ray.store.redaction import without_credentials
from rac_ray.store.storage import FILES_AT_ONCE, Storage
from rac_ray.sweep.decisions import DecisionBook
from rac_ray.sweep.search import SearchBook
from rac_ray.training.task import Task

_KEYS: Mapping[str, Kind] = {
    "trial_id": TEXT, "model": TEXT, "hidden_units": WHOLE, "source": TEXT, "seed": WHOLE,
}  # fmt: skip
NEEDED: Mapping[str, Mapping[str, Kind]] = {
    "trials": {**_KEYS, "state": TEXT},
    "epochs": {"trial_id": TEXT, **OF_EPOCHS},
    "evaluations": {**_KEYS, "target": TEXT, "split": TEXT, "role": TEXT, "clips": WHOLE, "top1": NUMBERS},
    "predictions": {"trial_id": TEXT, **OF_PREDICTIONS},
    "failures": {"trial_id": TEXT},
}
"""Columns of tables that were written to files, by table; those of every version, of tables that have a row."""
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tables:
    """The results of a sweep; every frame has ``trial_id``."""

    trials: pd.DataFrame
    """One row per planned trial, failed and pending ones too."""
    epochs: pd.DataFrame
    """One row per trial and epoch."""
    evaluations: pd.DataFrame
    """One row per trial and evaluation set."""
    predictions: pd.DataFrame
    """One row per trial, evaluation set and clip."""
    failures: pd.DataFrame
    """One row per failed attempt, also of trials that a later attempt finished, and one per training whose plan is
    damaged; ``trial_id`` is the training's."""
    candidates: pd.DataFrame = field(default_factory=lambda: candidate_rows([], None))
    """One row per recipe that a search tried; ``trial_id`` is the candidate's training."""
    looks: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=LOOK_COLUMNS))
    """One row per look at a claim of sweeps that add seeds until their claims are decided; ``trial_id`` is the first of
    the trials that it is about."""

    def write(self, folder: Storage) -> list[str]:
        """Write each frame as ``<name>.parquet``; returns the names."""
        names = {each.name: f"{each.name}.parquet" for each in fields(self)}
        for frame, name in names.items():
            sink = io.BytesIO()
            getattr(self, frame).to_parquet(sink, index=False)
            folder.write_bytes(name, sink.getvalue())
        return list(names.values())

    @property
    def stamp(self) -> str:
        """What these tables stand on, as sentences."""
        return self.stamped(None)

    def stamped(self, planned: int | None) -> str:
        """The stamp, given how many trials are planned; those that have left no trace are pending."""
        states = Counter(self.trials["state"])
        total = max(planned or 0, len(self.trials))
        states["pending"] += total - len(self.trials)
        said = trials_in_words(states, total)
        return f"{said[0].upper()}{said[1:]}; {self.provenance}"

    @property
    def provenance(self) -> str:
        """Folders that tell no trial, what the study says about its clips, and which weights were tested."""
        clips = clips_in_words(self.trials["about"].dropna())
        weights = weights_in_words(self.trials["selection_rule"].dropna())
        return "; ".join(filter(None, (untold_in_words(self.untold), clips, weights)))

    @property
    def untold(self) -> list[str]:
        """Ids of trainings that have left a trace, and no plan that says which trials they are."""
        known = {value for name in ("trial_id", "training_id") if name in self.trials for value in self.trials[name]}
        return sorted({*self.failures["trial_id"]} - known) if len(self.failures) else []


def load(
    path: "str | PathLike[str]", tasks: Collection[Task] | None = None, searches: Collection[str] | None = None
) -> Tables:
    """The tables of a sweep's folder (``<storage>/<sweep>``), or of a folder that ``Tables.write`` wrote.

    ``tasks`` narrow them to the trials and evaluations of a plan; without them, of every evaluation set the newest
    content counts. ``searches`` are the ids of those whose candidates are told; None: of all.
    Raises BadInput when there are neither trials nor tables.
    """
    folder = Storage.at(path)
    if folder.exists("trials.parquet"):
        return _stored(folder)
    ledger = Ledger(folder)
    if not ledger.training_ids():
        raise BadInput(f"no results in {folder.root!r}: neither trials/ nor trials.parquet is there")
    driver = ledger.driver(watch=False)
    entries, read = _read(ledger, ledger.scan(tasks, whole=False))
    plans = {task.training_id: task for task in tasks or ()}
    told, untold = list[Told](), list[dict[str, Any]]()
    for training_id, entry in sorted(entries.items()):
        rows = _told(ledger, entry, plans.get(training_id), driver) if entry.sizes else []
        if isinstance(rows, str):
            why = {"attempt": entry.attempts, "class": "damaged", "reason": rows, "given_up": True}
            untold += [*_failure_rows(ledger, entry), {"trial_id": training_id, **why}]
        else:  # a copy of another one's folder is no training
            told += [row for row in rows if row.training_id == training_id]
    chosen = [entries[training_id] for training_id in dict.fromkeys(row.training_id for row in told)]
    variants = list(dict.fromkeys(name for row in told for name in row.variants))
    trials = _frame([row.values() for row in told], TRIAL_COLUMNS, variants)
    trials = trials.astype({"learned": "boolean", "level": "float64"})
    trials[DIFFERENCE] = recipe_column(trials, variants)
    evaluations = _frame([each for row in told for each in row.evaluation_rows()], EVALUATION_COLUMNS, variants)
    recipes = dict(zip(trials["trial_id"], trials[DIFFERENCE], strict=True))
    return Tables(
        trials=trials,
        epochs=_stacked(read, told, EPOCHS, _epochs_of),
        evaluations=evaluations.assign(**{DIFFERENCE: [recipes[trial_id] for trial_id in evaluations["trial_id"]]}),
        predictions=_stacked(read, told, PREDICTIONS, _predictions_of),
        failures=pd.DataFrame(
            [*(row for entry in chosen for row in _failure_rows(ledger, entry)), *untold], columns=FAILURE_COLUMNS
        ),
        candidates=candidate_rows(SearchBook(folder).all(), searches),
        looks=look_rows(DecisionBook(folder).all(), {row.training_id: row.trial["trial_id"] for row in reversed(told)}),
    )


def _told(ledger: Ledger, entry: Entry, task: Task | None, driver: str | None) -> list[Told] | str:
    """The trials of a training, or, where nobody can tell what they are, what is wrong."""
    if task is None and TRIAL not in entry.sizes and entry.record is None:
        return f"damaged: its plan ({TRIAL}) is missing"
    try:
        return trials_of(ledger, entry, task, driver)
    except Damaged as error:
        LOGGER.warning("left out: %s", error)
        return f"damaged: its plan ({TRIAL}) cannot be read"


def _stored(folder: Storage) -> Tables:
    """Tables of 0.1 have neither candidates nor variants."""
    there = [each.name for each in fields(Tables) if each.name in NEEDED or folder.exists(f"{each.name}.parquet")]
    frames = {name: _frame_in(folder, name) for name in there}
    for name in ("trials", "evaluations"):
        frames[name] = frames[name].assign(**{VARIANT: frames[name].get(VARIANT, "")})
    return Tables(**frames)


def _frame_in(folder: Storage, name: str) -> pd.DataFrame:
    """A table that ``Tables.write`` wrote. Raises Damaged for a file that is not there, or is another one."""
    file = f"{name}.parquet"
    content = folder.read_if_there(file)
    if content is None:
        raise Damaged(f"{folder.address(file)} is missing; valid: all tables of a sweep, as `results` writes them")
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        table.validate(full=True)
        frame = table.to_pandas()
    except NO_TABLE as error:
        raise Damaged(f"{folder.address(file)} cannot be read: {in_short(error)}") from error
    for column, (fits, said) in NEEDED.get(name, {}).items() if len(table) else ():
        if table.column_names.count(column) != 1 or not fits(table.schema.field(column).type):
            raise Damaged(f"{folder.address(file)} has no column {column!r} of {said}")
    return frame


def _frame(rows: list[dict[str, Any]], columns: list[str], variants: Sequence[str]) -> pd.DataFrame:
    """The rows, in the study's order; the study's variants before the recipe, and top-5 only where trials have it."""
    belongs = [TOP5] if any(row.get(TOP5) is not None for row in rows) else []
    place = columns.index(DIFFERENCE)
    frame = pd.DataFrame(rows, columns=[*columns[:place], *variants, *columns[place:], *belongs])
    return frame.sort_values([column for column in KEY if column in columns], kind="stable").reset_index(drop=True)


def _failure_rows(ledger: Ledger, entry: Entry) -> list[dict[str, Any]]:
    failed = any(is_failure(name) for name in entry.sizes)
    attempts = (entry.failures or ledger.failures(entry.training_id)) if failed else []
    return [
        {
            **failure,
            "trial_id": entry.training_id,
            "given_up": failure.get("retry") is False,
            "log_tail": "\n".join(failure.get("log_tail", ())),
        }
        for failure in without_credentials(list(attempts))
    ]


def _read(
    ledger: Ledger, entries: Mapping[str, Entry]
) -> tuple[dict[str, Entry], Mapping[str, Mapping[str, pa.Table]]]:
    """The entries, damaged ones being known as such, and the tables of finished trainings that are not."""
    records = {training_id: entry.record for training_id, entry in entries.items() if entry.record is not None}
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        found = dict(zip(records, pool.map(ledger.read_tables, records.values()), strict=True))
    damaged = {i: replace(entries[i], record=None, damaged=why) for i, why in found.items() if isinstance(why, str)}
    return {**entries, **damaged}, {i: tables for i, tables in found.items() if not isinstance(tables, str)}


def _stacked(
    read: Mapping[str, Mapping[str, pa.Table]],
    told: Sequence[Told],
    name: str,
    of: Callable[[pa.Table, Told], pa.Table],
) -> pd.DataFrame:
    """A table of all trials: ``of`` takes a trial's rows from what was read of its training."""
    tables = []
    for row in told:
        if row.record is None or (name == PREDICTIONS and not row.evaluations):
            continue
        table = of(read[row.training_id][name], row)
        tables.append(table.add_column(0, "trial_id", pa.array([row.trial["trial_id"]] * len(table), pa.string())))
    if not tables:
        return pd.DataFrame(columns=["trial_id"])
    return pa.concat_tables(tables, promote_options="permissive").to_pandas()


def _epochs_of(table: pa.Table, _row: Told) -> pa.Table:
    return table


def _predictions_of(table: pa.Table, row: Told) -> pa.Table:
    """The predictions of the trial's evaluations; those of schema 1 are all of one trial."""
    if "evaluation_id" not in table.column_names:
        return table
    mine = pa.array([each.evaluation_id for each in row.evaluations], pa.string())
    return table.filter(pc.is_in(table["evaluation_id"], mine)).drop_columns(["evaluation_id"])  # pyright: ignore[reportAttributeAccessIssue]
