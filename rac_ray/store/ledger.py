"""One folder per training and one atomic record in it: the truth about what is done.

``<storage>/<sweep>/trials/<training_id>/`` holds ``trial.json`` (what is to be done), ``attempt.json`` (who tries it,
for the n-th time), ``log.txt``, ``last.ckpt`` (while it trains), ``epochs.parquet``, ``best.ckpt``, with levels also
``level-epoch-<n>.ckpt``, then ``record.json``, which makes the training done, and ``predictions.parquet``, after which
the record says what was evaluated. A trial is done when its record has all of its evaluations. Attempt n, when it
fails, leaves ``failure-<n>.json``. ``<storage>/<sweep>/driver.json`` names the one driver of the sweep.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from rac_ray.errors import BadInput
from rac_ray.store.entry import Entry, parsed
from rac_ray.store.files import (
    ATTEMPT,
    BEST_CHECKPOINT,
    EPOCHS,
    LAST_CHECKPOINT,
    LOG,
    PREDICTIONS,
    RECORD,
    TRIAL,
    failure_file,
    is_failure,
    is_weights,
)
from rac_ray.store.lock import living_holder
from rac_ray.store.parquet import parquet_bytes, quick_to_read, read_table, tables_of, wrong_ends
from rac_ray.store.record import Damaged, Record, read_plan, read_record, with_trials
from rac_ray.store.redaction import without_credentials
from rac_ray.store.storage import FILES_AT_ONCE, Storage

if TYPE_CHECKING:
    from rac_ray.training.task import Task

TRIALS = "trials"
DRIVER = "driver.json"
TRAINING_ID = re.compile("[0-9a-f]{12}")
"""Folders of other names, such as copies of a training's folder, are none of the sweep's."""


@dataclass(frozen=True)
class Ledger:
    """All trainings of one sweep on one storage."""

    storage: Storage
    """The sweep's folder, ``<storage>/<sweep>``."""

    def folder(self, training_id: str) -> Storage:
        return self.storage.below(TRIALS, training_id)

    def training_ids(self) -> list[str]:
        return [name for name in self.storage.names(TRIALS) if TRAINING_ID.fullmatch(name)]

    def register(self, tasks: Iterable["Task"], entries: Mapping[str, Entry], study: str) -> None:
        """Write down what is planned, so that a trial that never runs is missed.

        ``entries`` are a scan of the tasks, ``study`` is the name of theirs; records of trainings that serve further
        trials now get their names, too.
        """

        def write(task: "Task") -> None:
            entry, folder = entries[task.training_id], self.folder(task.training_id)
            known = self._planned(task.training_id) if task.trials and TRIAL in entry.sizes else {}
            trials = {**known, **{trial.trial_id: trial.as_dict() for trial in task.asked}}
            if TRIAL not in entry.sizes or (task.trials and trials.keys() > known.keys()):
                about = {**task.training.as_dict(), "study": study, "trials": [*trials.values()]}
                folder.write_json(TRIAL, about)
            if entry.record is not None and (more := with_trials(entry.record, task.asked)) != entry.record:
                folder.write_bytes(RECORD, more.as_json())

        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            list(pool.map(write, tasks))

    def _planned(self, training_id: str) -> dict[str, Any]:
        """The trials by id that somebody has written down of a training; none of a file that is damaged."""
        try:
            return {each["trial_id"]: each for each in self.trial(training_id).get("trials", [])}
        except Damaged:
            return {}

    def trial(self, training_id: str) -> dict[str, Any]:
        """The plan of a training that ``register`` wrote. Raises Damaged for a file that is none."""
        folder = self.folder(training_id)
        return read_plan(folder.read_if_there(TRIAL) or b"", folder.address(TRIAL))

    def driver(self, watch: bool = True) -> str | None:
        """Token of the living driver of this sweep; see ``lock.living_holder``."""
        holder = living_holder(self.storage, DRIVER, watch)
        return holder.token if holder else None

    def scan(self, tasks: Collection["Task"] | None = None, whole: bool | None = None) -> dict[str, Entry]:
        """What there is of every training, or of those of ``tasks``, with an empty entry for one that left no trace.

        One listing, then the records, then what is left to read of the trainings that are not done. Without tasks, a
        training with a record that names evaluations is done. With ``whole`` each table of a finished training is
        read; else only its end, which shows most damage. None: they are read where they are few and on a disk.
        """
        known = {task.training_id: task for task in tasks or ()}
        sizes: dict[str, dict[str, int]] = {training_id: {} for training_id in known}
        for path, size in self.storage.sizes(TRIALS).items():
            training_id, _, name = path.partition("/")
            if (tasks is None and TRAINING_ID.fullmatch(training_id)) or training_id in sizes:
                sizes.setdefault(training_id, {})[name] = size
        records = self.records({training_id for training_id, names in sizes.items() if RECORD in names})
        damaged = self._damaged({i: (sizes[i], record) for i, record in records.items()}, whole)
        records = {training_id: record for training_id, record in records.items() if training_id not in damaged}
        outstanding = {i: _outstanding(record, known.get(i)) for i, record in records.items()}
        others = self._read(
            {
                f"{training_id}/{name}"
                for training_id, names in sizes.items()
                if training_id not in records or outstanding[training_id]
                for name in names
                if name == ATTEMPT or is_failure(name)
            }
        )
        entries = {}
        for training_id, names in sizes.items():
            found = [others.get(f"{training_id}/{name}") for name in sorted(names) if is_failure(name)]
            failures = tuple(failure for failure in found if failure is not None)
            attempt = others.get(f"{training_id}/{ATTEMPT}")
            missing, why = outstanding.get(training_id, 0), damaged.get(training_id, "")
            entries[training_id] = Entry(training_id, names, records.get(training_id), attempt, failures, missing, why)
        return entries

    def entry(self, training_id: str) -> Entry:
        """What there is of one training, as ``scan`` finds it without tasks; failures also of one that is done."""
        folder, record = self.folder(training_id), self.record(training_id)
        sizes = folder.sizes()
        tables = self.read_tables(record) if record else {}
        record, why = (None, tables) if isinstance(tables, str) else (record, "")
        attempt = self.begun(training_id)
        outstanding = _outstanding(record, None) if record else 0
        return Entry(training_id, sizes, record, attempt, tuple(self.failures(training_id)), outstanding, why)

    def records(self, training_ids: Iterable[str]) -> dict[str, Record]:
        """Records by training id, whatever their tables are like; those that are not whole, or are another training's,
        are left out."""
        contents = self.storage.below(TRIALS).read_all(f"{training_id}/{RECORD}" for training_id in training_ids)
        records = {path.partition("/")[0]: _whole(content) for path, content in contents.items()}
        return {i: record for i, record in records.items() if record is not None and record.training_id == i}

    def _damaged(self, found: Mapping[str, tuple[Mapping[str, int], Record]], whole: bool | None) -> dict[str, str]:
        """What is wrong with the tables of trainings, as far as their ends show, or with ``whole`` in any place, given
        their files and records."""
        if whole is None:
            whole = self.storage.is_local and quick_to_read(found.values())

        def wrong(training_id: str) -> tuple[str, str]:
            sizes, record = found[training_id]
            why = wrong_ends(self.folder(training_id), sizes, record)
            read = self.read_tables(record) if whole and not why else why
            return training_id, read if isinstance(read, str) else ""

        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            return dict(each for each in pool.map(wrong, found) if each[1])

    def _read(self, paths: Iterable[str]) -> dict[str, Any]:
        """JSON files below the trials' folders by path; those that are not whole are left out."""
        contents = self.storage.below(TRIALS).read_all(paths)
        found = {path: parsed(path.rpartition("/")[2], content) for path, content in contents.items()}
        return {path: value for path, value in found.items() if value is not None}

    def record(self, training_id: str) -> Record | None:
        """The record of a finished training, else None; one that is not whole, or another's, does not count."""
        content = self.folder(training_id).read_if_there(RECORD)
        record = None if content is None else _whole(content)
        return record if record and record.training_id == training_id else None

    def failures(self, training_id: str) -> list[dict[str, Any]]:
        """Failed attempts, oldest first, of finished trainings too; files that are not whole are left out."""
        folder = self.folder(training_id)
        found = [parsed(name, folder.read_if_there(name)) for name in folder.names() if is_failure(name)]
        return [failure for failure in found if failure is not None]

    def begin(self, training_id: str, attempt: int, driver: str, **who: Any) -> None:
        """Say that attempt number ``attempt`` of a training has begun, for which driver, where."""
        self.folder(training_id).write_json(ATTEMPT, {"attempt": attempt, "driver": driver, **who})

    def begun(self, training_id: str) -> dict[str, Any] | None:
        """What the last attempt at a training wrote when it began; None where there is none."""
        return parsed(ATTEMPT, self.folder(training_id).read_if_there(ATTEMPT))

    def fail(self, training_id: str, attempt: int, failure: Mapping[str, Any]) -> None:
        """Write why an attempt failed, without credentials, unless that has been written; earlier ones stay."""
        if self.failure(training_id, attempt) is None:
            told = without_credentials({**failure, "attempt": attempt})
            self.folder(training_id).write_json(failure_file(attempt), told)

    def failure(self, training_id: str, attempt: int) -> dict[str, Any] | None:
        """Why an attempt failed; None when it did not, or could not say."""
        name = failure_file(attempt)
        return parsed(name, self.folder(training_id).read_if_there(name))

    def decide(self, training_id: str, attempt: int, retry: bool) -> None:
        """Add to a failure whether the training is tried again; without it the training has been given up."""
        failure = self.failure(training_id, attempt)
        self.folder(training_id).write_json(failure_file(attempt), {**(failure or {}), "retry": retry})

    def failure_path(self, training_id: str, attempt: int) -> str:
        """Path or URI of the failure of an attempt (1, 2, ..), for people to open."""
        return self.folder(training_id).address(failure_file(attempt))

    def log_tail(self, training_id: str, lines: int) -> list[str]:
        """The last lines of a training's log; none when it has none."""
        folder = self.folder(training_id)
        return folder.read_bytes(LOG).decode(errors="replace").splitlines()[-lines:] if folder.exists(LOG) else []

    def trained(self, record: Record, epochs: list[dict[str, Any]], best_checkpoint: bytes) -> None:
        """Write what a training came to, the record last, then drop its running checkpoint.

        A training that has a record and its weights keeps them: of two processes that finished it the first one
        counts. One whose weights were deleted has been trained again, and predictions by its old ones go.
        """
        folder = self.folder(record.training_id)
        if self.record(record.training_id) is None or not folder.exists(BEST_CHECKPOINT):
            folder.delete(RECORD)  # before the predictions of which it tells
            folder.delete(PREDICTIONS)
            folder.write_bytes(EPOCHS, parquet_bytes(pa.Table.from_pylist(epochs)))
            folder.write_bytes(BEST_CHECKPOINT, best_checkpoint)
            folder.write_bytes(RECORD, record.as_json())
        folder.delete(LAST_CHECKPOINT)

    def evaluated(self, record: Record, predictions: pa.Table | None) -> None:
        """Add what checkpoints were asked anew: the predictions, then the record, which has all evaluations.

        Predictions of which no record tells, of a process that was killed between the two, are replaced.
        """
        folder = self.folder(record.training_id)
        if predictions is not None:
            new = set(predictions["evaluation_id"].to_pylist())
            older = [each for each in record.evaluations if each.evaluation_id not in new]
            if folder.exists(PREDICTIONS):
                before = read_table(folder, PREDICTIONS, msgspec.structs.replace(record, evaluations=older))
                if isinstance(before, str):
                    raise Damaged(f"trial {record.training_id} is damaged: {before}")
                known = pa.array([each.evaluation_id for each in older], pa.string())
                kept = pc.is_in(before["evaluation_id"], known)  # pyright: ignore[reportAttributeAccessIssue]
                predictions = pa.concat_tables([before.filter(kept), predictions])
            folder.write_bytes(PREDICTIONS, parquet_bytes(predictions))
        folder.write_bytes(RECORD, record.as_json())

    def forget_damaged(self, training_id: str) -> None:
        """Let a training whose tables are damaged run again: what cannot be read goes, and so does what rests on it.

        With its curves whole it is only evaluated again. Raises BadInput for a folder in a table's place.
        """
        folder, record = self.folder(training_id), self.record(training_id)
        if record is None:
            return
        if folders := [name for name in (EPOCHS, PREDICTIONS) if folder.is_folder(name)]:
            raise BadInput(f"{folder.address(folders[0])} is a folder, where a table should be; move it elsewhere")
        trained = isinstance(read_table(folder, EPOCHS, record), pa.Table)
        if trained:
            folder.write_bytes(RECORD, msgspec.structs.replace(record, evaluations=[]).as_json())
        else:
            folder.delete(RECORD)
            folder.delete(EPOCHS)
        folder.delete(PREDICTIONS)

    def adopt(self, other: "Ledger", training_id: str, checked: Record | None = None) -> None:
        """Copy a finished training from another sweep's ledger, its record last: the one that was ``checked``, or that
        which is there.

        It is read before the tables: those of a sweep that runs tell of what it says, and of more. Our own record and
        weights go first, so that none of ours are ever taken for theirs.
        """
        source, destination = other.folder(training_id), self.folder(training_id)
        content = source.read_bytes(RECORD)
        if checked is not None and _whole(content) != checked:
            content = checked.as_json()
        names = [name for name in source.names() if name not in (RECORD, ATTEMPT, LAST_CHECKPOINT)]
        names = [name for name in names if not is_failure(name)]
        for name in (RECORD, *filter(is_weights, destination.names())):
            if name not in names:
                destination.delete(name)
        for name in names:
            destination.write_bytes(name, source.read_bytes(name))
        destination.write_bytes(RECORD, content)

    def others(self) -> list["Ledger"]:
        """The ledgers of the other sweeps on the same storage."""
        above = self.storage.above
        names = [name for name in above.names() if above.exists(f"{name}/{TRIALS}")]
        return [Ledger(above.below(name)) for name in names if above.below(name) != self.storage]

    def table(self, training_id: str, name: Literal["epochs", "predictions"]) -> pa.Table:
        """A table of a finished training. Raises Damaged for a file that is not what its record tells of."""
        record = self.record(training_id)
        found = read_table(self.folder(training_id), f"{name}.parquet", record) if record else "it has no whole record"
        if isinstance(found, str):
            raise Damaged(f"trial {training_id} in {self.storage.root} is damaged: {found}")
        return found

    def read_tables(self, record: Record) -> dict[str, pa.Table] | str:
        """All tables of a finished training by the names of their files, or what is wrong with one of them."""
        folder, found = self.folder(record.training_id), dict[str, pa.Table]()
        for name in tables_of(record):
            table = read_table(folder, name, record)
            if isinstance(table, str):
                return table
            found[name] = table
        return found


def _outstanding(record: Record, task: "Task | None") -> int:
    if task is None:
        return int(not record.evaluations and any(each.reached for each in record.selected))
    return sum(map(len, task.outstanding(record).values()))


def _whole(content: bytes) -> Record | None:
    try:
        return read_record(content)
    except Damaged:
        return None
