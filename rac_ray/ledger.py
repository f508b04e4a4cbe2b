"""One folder per trial and one atomic record in it: the truth about what is done.

``<storage>/<sweep>/trials/<trial_id>/`` holds ``trial.json`` (what is to be done), ``attempt.json`` (who tries it,
for the n-th time), ``log.txt``, ``last.ckpt`` (while it runs), ``epochs.parquet``, ``predictions.parquet``,
``best.ckpt`` and, written last, ``record.json``, which makes the trial done. Attempt n, when it fails, leaves
``failure-<n>.json``. ``<storage>/<sweep>/driver.json`` names the one driver of the sweep.
"""

import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from rac_ray.lock import living_holder
from rac_ray.redaction import without_credentials
from rac_ray.storage import READERS, Storage
from rac_ray.trial import Trial

RECORD = "record.json"
TRIAL = "trial.json"
ATTEMPT = "attempt.json"
LOG = "log.txt"
LAST_CHECKPOINT = "last.ckpt"
BEST_CHECKPOINT = "best.ckpt"
TABLES = ("epochs.parquet", "predictions.parquet")
DRIVER = "driver.json"
State = Literal["done", "failed", "running", "pending"]
STATES: tuple[State, ...] = ("done", "failed", "running", "pending")


@dataclass(frozen=True)
class Entry:
    """All that the ledger holds of one trial, from one look at its folder."""

    trial_id: str
    sizes: Mapping[str, int]
    """Bytes of each of its files."""
    record: dict[str, Any] | None
    """Of a finished trial; None also when ``record.json`` is not whole JSON."""
    attempt: dict[str, Any] | None = None
    """The last attempt begun: its number, driver, host and process; not read for finished trials."""
    failures: tuple[dict[str, Any], ...] = ()
    """Failed attempts, oldest first; not read for finished trials."""

    @property
    def attempts(self) -> int:
        """Number of the last attempt."""
        begun = self.attempt["attempt"] if self.attempt else 0
        return max([begun, *(failure["attempt"] for failure in self.failures)])

    def state(self, driver: str | None) -> State:
        """Where the trial stands, given the token of the driver that lives (None: none does).

        An attempt that neither succeeded nor failed is running under a living driver and interrupted, that is
        pending, under a dead one. A failed attempt leaves its trial pending until its driver gives it up.
        """
        if self.record is not None:
            return "done"
        failed_at = self.failures[-1]["attempt"] if self.failures else 0
        if self.attempt and self.attempt["attempt"] > failed_at:
            return "running" if self.attempt["driver"] == driver else "pending"
        given_up = self.failures and self.failures[-1].get("retry") is False
        return "failed" if given_up else "pending"

    def reason(self, driver: str | None) -> str:
        """Why the trial is not done; empty when it is."""
        state = self.state(driver)
        if state == "done":
            return ""
        if state == "running":
            return f"attempt {self.attempts} is running"
        if RECORD in self.sizes:
            return f"{RECORD} is not whole; the trial runs again"
        checkpoint = ", goes on from its checkpoint" if LAST_CHECKPOINT in self.sizes else ""
        if self.failures and self.failures[-1]["attempt"] == self.attempts:
            failure = self.failures[-1]
            return f"{failure['class']}: {failure['reason']}" + (checkpoint if state == "pending" else "")
        return f"attempt {self.attempts} was interrupted{checkpoint}" if self.attempt else "has not run"


@dataclass(frozen=True)
class Ledger:
    """All trials of one sweep on one storage."""

    storage: Storage
    """The sweep's folder, ``<storage>/<sweep>``."""
    kind: str = "trials"
    """Name of the folder below it that has a folder per trial."""

    def folder(self, trial_id: str) -> Storage:
        return self.storage.below(self.kind, trial_id)

    def trial_ids(self) -> list[str]:
        return self.storage.names(self.kind)

    def while_running(self, names: Collection[str]) -> list[str]:
        """Of a trial's files those that an ended one has no use for, in the order in which they may be deleted."""
        return [name for name in names if name == LAST_CHECKPOINT]

    def register(self, trials: Iterable[Trial]) -> None:
        """Write down what is planned, so that a trial that never runs is missed."""
        there = self.storage.sizes(self.kind)
        new = [trial for trial in trials if f"{trial.trial_id}/{TRIAL}" not in there]
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(lambda trial: self.folder(trial.trial_id).write_json(TRIAL, trial.as_dict()), new))

    def trial(self, trial_id: str) -> dict[str, Any]:
        return self.folder(trial_id).read_json(TRIAL)

    def driver(self, watch: bool = True) -> str | None:
        """Token of the living driver of this sweep; see ``lock.living_holder``."""
        holder = living_holder(self.storage, DRIVER, watch)
        return holder.token if holder else None

    def scan(self, trial_ids: Collection[str] | None = None) -> dict[str, Entry]:
        """What there is of every trial (or of ``trial_ids``, with an empty entry for an unknown one).

        One listing, then the records, then what is left to read of the trials that have none.
        """
        sizes: dict[str, dict[str, int]] = {trial_id: {} for trial_id in trial_ids or ()}
        for path, size in self.storage.sizes(self.kind).items():
            trial_id, _, name = path.partition("/")
            if trial_ids is None or trial_id in sizes:
                sizes.setdefault(trial_id, {})[name] = size
        done = self._read({f"{trial_id}/{RECORD}" for trial_id, names in sizes.items() if RECORD in names})
        records = {trial_id: done.get(f"{trial_id}/{RECORD}") for trial_id in sizes}
        open_ones = [trial_id for trial_id, record in records.items() if record is None]
        others = self._read(
            {
                f"{trial_id}/{name}"
                for trial_id in open_ones
                for name in sizes[trial_id]
                if name == ATTEMPT or is_failure(name)
            }
        )
        entries = {}
        for trial_id, names in sizes.items():
            found = [others.get(f"{trial_id}/{name}") for name in sorted(names) if is_failure(name)]
            failures = tuple(failure for failure in found if failure is not None)
            attempt = others.get(f"{trial_id}/{ATTEMPT}")
            entries[trial_id] = Entry(trial_id, names, records[trial_id], attempt, failures)
        return entries

    def _read(self, paths: Iterable[str]) -> dict[str, Any]:
        """JSON files below the trials' folders by path; those that are not whole are left out."""
        contents = self.storage.below(self.kind).read_all(paths)
        return {path: value for path, content in contents.items() if (value := _parsed(content)) is not None}

    def record(self, trial_id: str) -> dict[str, Any] | None:
        """The record of a finished trial, else None; a record that is not whole JSON does not count."""
        content = self.folder(trial_id).read_if_there(RECORD)
        return None if content is None else _parsed(content)

    def failures(self, trial_id: str) -> list[dict[str, Any]]:
        """Failed attempts, oldest first, of finished trials too."""
        folder = self.folder(trial_id)
        return [folder.read_json(name) for name in folder.names() if is_failure(name)]

    def states(self, trials: Sequence[Trial]) -> dict[str, State]:
        """State by trial id; every planned trial is in exactly one."""
        entries, driver = self.scan([trial.trial_id for trial in trials]), self.driver()
        return {trial_id: entry.state(driver) for trial_id, entry in entries.items()}

    def begin(self, trial_id: str, attempt: int, driver: str, **who: Any) -> None:
        """Say that attempt number ``attempt`` of a trial has begun, for which driver, where."""
        self.folder(trial_id).write_json(ATTEMPT, {"attempt": attempt, "driver": driver, **who})

    def fail(self, trial_id: str, attempt: int, failure: Mapping[str, Any]) -> None:
        """Write why an attempt failed, without credentials, unless that has been written; earlier ones stay."""
        folder = self.folder(trial_id)
        if not folder.exists(_failure_file(attempt)):
            folder.write_json(_failure_file(attempt), without_credentials({**failure, "attempt": attempt}))

    def failure(self, trial_id: str, attempt: int) -> dict[str, Any] | None:
        """Why an attempt failed; None when it did not, or could not say."""
        folder = self.folder(trial_id)
        return folder.read_json(_failure_file(attempt)) if folder.exists(_failure_file(attempt)) else None

    def decide(self, trial_id: str, attempt: int, retry: bool) -> None:
        """Add to a failure whether the trial is tried again; without it the trial has been given up."""
        failure = self.failure(trial_id, attempt)
        self.folder(trial_id).write_json(_failure_file(attempt), {**(failure or {}), "retry": retry})

    def failure_path(self, trial_id: str, attempt: int) -> str:
        """Where the failure of an attempt (1, 2, ..) is, for people to open."""
        return self.folder(trial_id).address(_failure_file(attempt))

    def log_tail(self, trial_id: str, lines: int) -> list[str]:
        """The last lines of a trial's log; none when it has none."""
        folder = self.folder(trial_id)
        return folder.read_bytes(LOG).decode().splitlines()[-lines:] if folder.exists(LOG) else []

    def finish(
        self,
        trial_id: str,
        record: Mapping[str, Any],
        epochs: list[dict[str, Any]],
        predictions: pa.Table,
        best_checkpoint: bytes,
    ) -> None:
        """Write all results of a trial, the record last, then drop its running checkpoint.

        A trial that has a record keeps it: of two processes that finished it the first one counts.
        """
        folder = self.folder(trial_id)
        if self.record(trial_id) is None:
            for name, table in zip(TABLES, (pa.Table.from_pylist(epochs), predictions), strict=True):
                folder.write_bytes(name, parquet_bytes(table))
            folder.write_bytes(BEST_CHECKPOINT, best_checkpoint)
            folder.write_json(RECORD, dict(record))
        folder.delete(LAST_CHECKPOINT)

    def adopt(self, other: "Ledger", trial_id: str) -> None:
        """Copy a finished trial from another sweep's ledger, its record last."""
        source, destination = other.folder(trial_id), self.folder(trial_id)
        for name in (TRIAL, *TABLES, BEST_CHECKPOINT, RECORD):
            if source.exists(name):
                destination.write_bytes(name, source.read_bytes(name))

    def others(self) -> list["Ledger"]:
        """The ledgers of the other sweeps on the same storage."""
        above = self.storage.above
        names = [name for name in above.names() if above.exists(f"{name}/trials")]
        return [Ledger(above.below(name)) for name in names if above.below(name) != self.storage]

    def table(self, trial_id: str, name: Literal["epochs", "predictions"]) -> pa.Table:
        return pq.read_table(io.BytesIO(self.folder(trial_id).read_bytes(f"{name}.parquet")))


def is_failure(name: str) -> bool:
    """Whether a file of a trial's folder tells of a failed attempt."""
    return name.startswith("failure-")


def _failure_file(attempt: int) -> str:
    return f"failure-{attempt:03d}.json"


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        return json.loads(content)
    except ValueError:
        return None


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
