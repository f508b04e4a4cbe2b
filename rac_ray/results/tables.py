"""Records to tidy DataFrames: trials, epochs, evaluations, predictions. No Ray, no torch.

Failed trials and trials that have not run keep their row in ``trials``, with the reason.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rac_ray.errors import BadInput
from rac_ray.ledger import STATES, TRIAL, Entry, Ledger
from rac_ray.results.robustness import chance_corrected_ratio, robustness_ratio
from rac_ray.results.statistics import mean_top1_interval
from rac_ray.storage import Storage

KEY = ["model", "hidden_units", "source", "seed"]
RECIPE = ["learning_rate", "momentum", "weight_decay", "batch_size", "max_epochs", "patience", "precision"]
OUTCOME = [
    "parameters", "best_epoch", "best_val_top1", "epochs", "selection_rule", "schema", "precision_used", "device",
    "workers", "host", "finished_at",
]  # fmt: skip
TRIAL_COLUMNS = [
    "trial_id", *KEY, "state", "reason", "digits", "data", "training_version", *OUTCOME, "source_test_top1",
    "seconds_to_first_step", "seconds_training", "seconds_evaluation", "seconds_total", *RECIPE,
]  # fmt: skip
EVALUATION_COLUMNS = [
    "trial_id", *KEY, "target", "split", "role", "clips", "correct", "top1", "robustness_ratio",
    "chance_corrected_ratio", "ratio_to_source_test", "digits", "data", "selection_rule", "schema",
]  # fmt: skip


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

    def write(self, folder: Storage) -> None:
        """Write each frame as ``<name>.parquet``."""
        for each in fields(self):
            with folder.writing(f"{each.name}.parquet") as path:
                getattr(self, each.name).to_parquet(path, index=False)

    @property
    def stamp(self) -> str:
        """How much of the grid these tables stand on, and ``provenance``."""
        states = self.trials["state"].value_counts()
        counts = " + ".join(f"{states.get(state, 0)} {state}" for state in STATES)
        return f"{len(self.trials)} trials planned = {counts}; {self.provenance}"

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
        trials=_frame([_trial_row(ledger, entry, driver) for entry in chosen], TRIAL_COLUMNS),
        epochs=_stacked(ledger, done, "epochs"),
        evaluations=_frame([row for record in done.values() for row in _evaluation_rows(record)], EVALUATION_COLUMNS),
        predictions=_stacked(ledger, done, "predictions"),
    )


def _stored(folder: Storage, trial_ids: Collection[str] | None) -> Tables:
    frames = {}
    for each in fields(Tables):
        table = pq.read_table(pa.BufferReader(folder.read_bytes(f"{each.name}.parquet"))).to_pandas()
        frames[each.name] = table if trial_ids is None else table[table["trial_id"].isin(trial_ids)]
    return Tables(**frames)


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values([column for column in KEY if column in columns], kind="stable").reset_index(drop=True)


def _trial_row(ledger: Ledger, entry: Entry, driver: str | None) -> dict[str, Any]:
    record = entry.record
    trial = ledger.trial(entry.trial_id) if record is None else record
    row = {**trial, **trial["recipe"], "state": entry.state(driver), "reason": entry.reason(driver)}
    if record is None:
        return row
    seconds = {f"seconds_{name}": value for name, value in record["seconds"].items()}
    return {**row, **seconds, "source_test_top1": _top1(record, "source_test")}


def _top1(record: dict[str, Any], role: str) -> float:
    return next(each["top1"] for each in record["evaluations"] if each["role"] == role)


def _evaluation_rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    best, source_test = record["best_val_top1"], _top1(record, "source_test")
    return [
        {
            **{name: record[name] for name in ("trial_id", *KEY, "digits", "data", "selection_rule", "schema")},
            **each,
            "robustness_ratio": float(robustness_ratio(each["top1"], best)),
            "chance_corrected_ratio": float(chance_corrected_ratio(each["top1"], best)),
            "ratio_to_source_test": float(robustness_ratio(each["top1"], source_test)),
        }
        for each in record["evaluations"]
    ]


def _stacked(ledger: Ledger, done: Collection[str], name: Any) -> pd.DataFrame:
    tables = []
    for trial_id in done:
        table = ledger.table(trial_id, name)
        tables.append(table.add_column(0, "trial_id", pa.array([trial_id] * len(table), pa.string())))
    return pa.concat_tables(tables).to_pandas() if tables else pd.DataFrame(columns=["trial_id"])


def accuracy_table(evaluations: pd.DataFrame, source: str) -> pd.DataFrame:
    """Mean top-1 over hidden units and seeds with its 95% interval: the numbers behind the paper's Figure 3.

    One row per (model, target, split) in the study's order; columns mean, low, high in [0, 1], and trials.
    """
    rows = []
    chosen = evaluations[evaluations["source"] == source]
    for key, group in chosen.groupby(["model", "target", "split"], sort=False):
        model, target, split = cast(tuple[str, str, str], key)
        low, high = mean_top1_interval(group["correct"].to_numpy(), group["clips"].to_numpy())
        mean = group["top1"].mean()
        row = {"model": model, "target": target, "split": split, "role": group["role"].iloc[0], "mean": mean}
        rows.append({**row, "low": low, "high": high, "trials": len(group)})
    return pd.DataFrame(rows, columns=["model", "target", "split", "role", "mean", "low", "high", "trials"])


def printable(table: pd.DataFrame) -> str:
    """An ``accuracy_table`` as text: models down, evaluation sets across, percent with interval."""
    cells = table.assign(
        where=table["target"] + " " + table["split"],
        cell=[f"{100 * m:.1f} [{100 * a:.1f}, {100 * b:.1f}]" for m, a, b in table[["mean", "low", "high"]].to_numpy()],
    )
    order = list(dict.fromkeys(cells["where"]))
    wide = cells.pivot(index="model", columns="where", values="cell").reindex(columns=order).fillna("-")
    wide.insert(0, "trials", cells.groupby("model")["trials"].max())
    return wide.reindex(list(dict.fromkeys(cells["model"]))).rename_axis(None, axis=1).to_string()
