"""Records to tidy DataFrames: trials, epochs, evaluations, predictions, failures. No Ray, no torch.

Failed trials and trials that have not run keep their row in ``trials``, with the reason.
"""

import io
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rac_ray.errors import BadInput
from rac_ray.ledger import STATES, TRIAL, Entry, Ledger, is_failure
from rac_ray.redaction import without_credentials
from rac_ray.results.robustness import CLASSES, above_chance, chance_corrected_ratio, robustness_ratio
from rac_ray.storage import Storage

KEY = ["model", "hidden_units", "source", "seed"]
EXPERIMENT = "experiment"
"""Column of trials and evaluations that have one: which of the study's Diving48 experiments a trial belongs to."""
SIZE = "size"
"""Column of trials that have one: a Diving48 model's size by name."""
TOP5 = "top5"
"""Column of evaluations that have one."""
RECIPE = ["learning_rate", "momentum", "weight_decay", "batch_size", "max_epochs", "patience", "precision"]
OUTCOME = [
    "parameters", "best_epoch", "best_val_top1", "epochs", "selection_rule", "schema", "precision_used", "device",
    "workers", "host", "python", "commit", "versions", "finished_at",
]  # fmt: skip
TRIAL_COLUMNS = [
    "trial_id", *KEY, "classes", "state", "reason", "digits", "data", "training_version", *OUTCOME, "learned",
    "source_test_top1", "seconds_to_first_step", "seconds_training", "seconds_evaluation", "seconds_total", *RECIPE,
]  # fmt: skip
EVALUATION_COLUMNS = [
    "trial_id", *KEY, "target", "split", "role", "clips", "correct", "top1", "robustness_ratio",
    "chance_corrected_ratio", "ratio_to_source_test", "digits", "data", "selection_rule", "schema",
]  # fmt: skip
FAILURE_COLUMNS = ["trial_id", "attempt", "class", "reason", "given_up", "host", "traceback", "log_tail"]


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
    """One row per failed attempt, also of trials that a later attempt finished."""

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
        """How much of the grid these tables stand on, and ``provenance``."""
        return self.stamped(None)

    def stamped(self, planned: int | None) -> str:
        """The stamp, given how many trials are planned; those that have left no trace are pending."""
        states = Counter(self.trials["state"])
        total = max(planned or 0, len(self.trials))
        states["pending"] += total - len(self.trials)
        counts = " + ".join(f"{states[state]} {state}" for state in STATES)
        return f"{total} trials planned = {counts}; {self.provenance}"

    @property
    def provenance(self) -> str:
        """From which digits, and how the best checkpoint was chosen."""
        digits = "/".join(sorted(self.trials["digits"].unique())) or "none yet"
        rules = "; ".join(sorted(self.trials["selection_rule"].dropna().unique())) or "none yet"
        return f"digits={digits}; checkpoint: {rules}"


def load(path: "str | PathLike[str]", trial_ids: Collection[str] | None = None) -> Tables:
    """The tables of a sweep's folder (``<storage>/<sweep>``), or of a folder that ``Tables.write`` wrote.

    ``trial_ids`` narrows them. Raises BadInput when there are neither trials nor tables.
    """
    folder = Storage.at(path)
    if folder.exists("trials.parquet"):
        return _stored(folder, trial_ids)
    ledger = Ledger(folder)
    entries = ledger.scan()
    if not entries:
        raise BadInput(f"no results in {folder.root!r}: neither trials/ nor trials.parquet is there")
    chosen = [
        entry
        for trial_id, entry in sorted(entries.items())
        if (trial_ids is None or trial_id in trial_ids) and (TRIAL in entry.sizes or entry.record is not None)
    ]
    done = {entry.trial_id: entry.record for entry in chosen if entry.record is not None}
    driver = ledger.driver(watch=False)
    return Tables(
        trials=_frame([_trial_row(ledger, entry, driver) for entry in chosen], TRIAL_COLUMNS).astype(
            {"learned": "boolean"}
        ),
        epochs=_stacked(ledger, done, "epochs"),
        evaluations=_frame([row for record in done.values() for row in _evaluation_rows(record)], EVALUATION_COLUMNS),
        predictions=_stacked(ledger, done, "predictions"),
        failures=pd.DataFrame(
            [row for entry in chosen for row in _failure_rows(ledger, entry)], columns=FAILURE_COLUMNS
        ),
    )


def _stored(folder: Storage, trial_ids: Collection[str] | None) -> Tables:
    frames = {}
    for each in fields(Tables):
        table = pq.read_table(pa.BufferReader(folder.read_bytes(f"{each.name}.parquet"))).to_pandas()
        frames[each.name] = table if trial_ids is None else table[table["trial_id"].isin(trial_ids)]
    return Tables(**frames)


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """The rows, in the study's order; experiment, size and top-5 only where trials have them."""
    belongs = [name for name in (EXPERIMENT, SIZE, TOP5) if any(name in row for row in rows)]
    frame = pd.DataFrame(rows, columns=[*columns, *belongs])
    return frame.sort_values([column for column in KEY if column in columns], kind="stable").reset_index(drop=True)


def _trial_row(ledger: Ledger, entry: Entry, driver: str | None) -> dict[str, Any]:
    record = entry.record
    trial = ledger.trial(entry.trial_id) if record is None else record
    reason = without_credentials(entry.reason(driver))
    row = {"classes": CLASSES, **trial, **trial["recipe"], "state": entry.state(driver), "reason": reason}
    if record is None:
        return row
    seconds = {f"seconds_{name}": value for name, value in record["seconds"].items()}
    versions = ", ".join(f"{name} {number}" for name, number in record.get("versions", {}).items())
    return {
        **row,
        **seconds,
        "versions": versions,
        "learned": _learned(record),
        "source_test_top1": _top1(record, "source_test"),
    }


def _learned(record: dict[str, Any]) -> bool:
    clips = next(each["clips"] for each in record["evaluations"] if each["role"] == "source_val")
    return above_chance(record["best_val_top1"], clips, record["epochs"], record.get("classes", CLASSES))


def _failure_rows(ledger: Ledger, entry: Entry) -> list[dict[str, Any]]:
    failed = any(is_failure(name) for name in entry.sizes)
    attempts = (entry.failures or ledger.failures(entry.trial_id)) if failed else []
    return [
        {
            **failure,
            "trial_id": entry.trial_id,
            "given_up": failure.get("retry") is False,
            "log_tail": "\n".join(failure.get("log_tail", ())),
        }
        for failure in without_credentials(list(attempts))
    ]


def _top1(record: dict[str, Any], role: str) -> float:
    return next(each["top1"] for each in record["evaluations"] if each["role"] == role)


def _evaluation_rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    best, source_test = record["best_val_top1"], _top1(record, "source_test")
    classes = record.get("classes", CLASSES)
    named = {name: record[name] for name in ("trial_id", *KEY, "digits", "data", "selection_rule", "schema")}
    named |= {EXPERIMENT: record[EXPERIMENT]} if EXPERIMENT in record else {}
    return [
        {
            **named,
            **each,
            "robustness_ratio": float(robustness_ratio(each["top1"], best)),
            "chance_corrected_ratio": float(chance_corrected_ratio(each["top1"], best, 1 / classes)),
            "ratio_to_source_test": float(robustness_ratio(each["top1"], source_test)),
        }
        for each in record["evaluations"]
    ]


def _stacked(ledger: Ledger, done: Collection[str], name: Any) -> pd.DataFrame:
    tables = []
    for trial_id in done:
        try:
            table = ledger.table(trial_id, name)
        except FileNotFoundError as error:
            raise BadInput(f"trial {trial_id} has a record and no {name}.parquet; pull its whole folder") from error
        tables.append(table.add_column(0, "trial_id", pa.array([trial_id] * len(table), pa.string())))
    if not tables:
        return pd.DataFrame(columns=["trial_id"])
    # Classes are 8 bits wide in files of earlier versions.
    return pa.concat_tables(tables, promote_options="permissive").to_pandas()
