"""One folder per trial and one atomic record in it: the truth about what is done.

``<storage>/<sweep>/trials/<trial_id>/`` holds ``trial.json`` (what is to be done), ``last.ckpt`` (while it runs),
``epochs.parquet``, ``predictions.parquet``, ``best.ckpt`` and, written last, ``record.json``, which makes the trial
done. A failed attempt leaves ``failure-<n>.json``.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from rac_ray.storage import Storage
from rac_ray.trial import Trial

RECORD = "record.json"
LAST_CHECKPOINT = "last.ckpt"
State = Literal["done", "failed", "pending"]


@dataclass(frozen=True)
class Ledger:
    """All trials of one sweep on one storage."""

    storage: Storage
    """The sweep's folder, ``<storage>/<sweep>``."""

    def folder(self, trial_id: str) -> Storage:
        return self.storage.below("trials", trial_id)

    def trial_ids(self) -> list[str]:
        return self.storage.names("trials")

    def register(self, trials: Iterable[Trial]) -> None:
        """Write down what is planned, so that a trial that never runs is missed."""
        known = set(self.trial_ids())
        for trial in trials:
            folder = self.folder(trial.trial_id)
            if trial.trial_id not in known or not folder.exists("trial.json"):
                folder.write_json("trial.json", trial.as_dict())

    def trial(self, trial_id: str) -> dict[str, Any]:
        return self.folder(trial_id).read_json("trial.json")

    def record(self, trial_id: str) -> dict[str, Any] | None:
        """The record of a finished trial, else None; a record that is not whole JSON does not count."""
        folder = self.folder(trial_id)
        if not folder.exists(RECORD):
            return None
        try:
            return folder.read_json(RECORD)
        except json.JSONDecodeError:
            return None

    def failures(self, trial_id: str) -> list[dict[str, Any]]:
        """Failed attempts, oldest first."""
        folder = self.folder(trial_id)
        return [folder.read_json(name) for name in folder.names() if name.startswith("failure-")]

    def state(self, trial_id: str) -> State:
        if self.record(trial_id) is not None:
            return "done"
        return "failed" if self.failures(trial_id) else "pending"

    def states(self, trials: Sequence[Trial]) -> dict[str, State]:
        """State by trial id; every planned trial is in exactly one."""
        return {trial.trial_id: self.state(trial.trial_id) for trial in trials}

    def fail(self, trial_id: str, failure: Mapping[str, Any]) -> str:
        """Add a failure file and return its path; earlier ones stay."""
        number = len(self.failures(trial_id)) + 1
        self.folder(trial_id).write_json(_failure_file(number), dict(failure))
        return self.failure_path(trial_id, number)

    def failure_path(self, trial_id: str, number: int) -> str:
        """Where failure ``number`` (1, 2, ..) of a trial is, for people to open."""
        return f"{self.folder(trial_id).root}/{_failure_file(number)}"

    def finish(
        self,
        trial_id: str,
        record: Mapping[str, Any],
        epochs: list[dict[str, Any]],
        predictions: pa.Table,
        best_checkpoint: bytes,
    ) -> None:
        """Write all results of a trial, the record last, then drop its running checkpoint."""
        folder = self.folder(trial_id)
        folder.write_bytes("epochs.parquet", _parquet(pa.Table.from_pylist(epochs)))
        folder.write_bytes("predictions.parquet", _parquet(predictions))
        folder.write_bytes("best.ckpt", best_checkpoint)
        folder.write_json(RECORD, dict(record))
        folder.delete(LAST_CHECKPOINT)

    def table(self, trial_id: str, name: Literal["epochs", "predictions"]) -> pa.Table:
        return pq.read_table(io.BytesIO(self.folder(trial_id).read_bytes(f"{name}.parquet")))


def _failure_file(number: int) -> str:
    return f"failure-{number:03d}.json"


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
