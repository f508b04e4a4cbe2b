"""What loggers are told of a training, from its records. No Ray, no torch."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from rac_ray.identity import Training
from rac_ray.loggers.protocol import Run, Value
from rac_ray.results.told import Told, trials_of
from rac_ray.store.entry import Entry, State
from rac_ray.store.ledger import Ledger

CURVES = (
    "train_loss", "train_top1", "val_loss", "val_top1", "best_val_top1", "seconds", "clips", "loader_wait_share",
    "gpu_memory_bytes",
)  # fmt: skip
"""Columns of an epoch's row that become curves."""
FACTS = ("selection_rule", "device", "host", "commit", "way", "finished_at")
"""Fields of a record that become notes."""
MEASURES = ("top1", "top5", "robustness_ratio", "chance_corrected_ratio", "ratio_to_source_test")
"""Of evaluations; a metric is named ``top1/mnist/test``."""


def curve_points(row: Mapping[str, Any]) -> dict[str, float]:
    """An epoch's row as loggers get it: its number, and the finite values of its curves."""
    values = {name: float(row[name]) for name in CURVES if row.get(name) is not None}
    return {"epoch": row["epoch"], **{name: value for name, value in values.items() if isfinite(value)}}


def read_run(ledger: Ledger, training_id: str, state: State | None, driver: str | None) -> Run | None:
    """All that the ledger holds of a training; None of one that nobody has begun.

    ``state`` is what its driver says; None: what the ledger does, given the token of the ``driver`` that lives.
    """
    entry = ledger.entry(training_id)
    if not entry.attempt and entry.record is None and not entry.failures and state != "running":
        return None
    rows = ledger.table(training_id, "epochs").to_pylist() if entry.record else []
    return run_of(entry, trials_of(ledger, entry, None, driver), rows, state)


def planned_run(ledger: Ledger, training_id: str) -> Run:
    """A training that runs, as it was planned."""
    plan = ledger.trial(training_id)
    return Run(training_id, Training.from_dict(plan).name, "running", parameters(plan))


def run_of(
    entry: Entry, told: Sequence[Told], rows: Iterable[Mapping[str, Any]] = (), state: State | None = None
) -> Run:
    """A training's run, given its entry in the ledger, its trials, and its epochs."""
    plan, record = told[0].trial, entry.record
    states = {each.state for each in told}
    found: State = told[0].state if len(states) == 1 else "done"
    unreached = [_of_trial(each.trial) for each in told if each.state == "unreached"]
    notes = {"reason": told[0].reason, "unreached": ", ".join(unreached), "attempt": str(entry.attempts)}
    notes |= {name: str(getattr(record, name)) for name in FACTS} if record else {}
    ended = record.ended_at() if record else None
    return Run(
        entry.training_id,
        Training.from_dict(plan).name,
        found if state in (None, "done") else state,
        parameters(plan),
        [curve_points(row) for row in rows],
        _finals(told) if record else {},
        {name: text for name, text in notes.items() if text or name == "reason"},
        ended - record.seconds["total"] if record and ended else None,
        ended,
    )


def parameters(plan: Mapping[str, Any]) -> dict[str, Value]:
    """What a training is, from its plain values: a flat mapping."""
    names = ("model", "hidden_units", "size", "source", "seed", "data")
    nested = ("recipe", "options", "variants", "about")
    found = {name: plan.get(name) for name in names}
    found |= {f"{part}.{name}": value for part in nested for name, value in plan.get(part, {}).items()}
    return {
        name: value if isinstance(value, Value) else str(value)
        for name, value in found.items()
        if value not in (None, "")
    }


def _finals(told: Sequence[Told]) -> dict[str, float]:
    """What a finished training came to; values of trials at levels or of edited clips say so in their names."""
    record = told[0].record
    assert record is not None
    found: dict[str, Any] = {name: getattr(record, name) for name in ("best_epoch", "best_val_top1", "epochs")}
    found |= {"parameters": record.parameters, "peak_bytes": record.peak_bytes}
    found |= {f"seconds/{name}": value for name, value in record.seconds.items()}
    for trial in told:
        first = _of_trial(trial.trial)
        for each, row in zip(trial.evaluations, trial.evaluation_rows(), strict=True):
            wanted = MEASURES if each.role not in ("source_val", "source_test") else MEASURES[:2]
            found |= {"/".join(filter(None, (first, name, each.part))): row.get(name) for name in wanted}
    numbers = {name: float(value) for name, value in found.items() if value is not None}
    return {f"final/{name}": value for name, value in numbers.items() if isfinite(value)}


def _of_trial(trial: Mapping[str, Any]) -> str:
    """What tells a trial from the others of its training: ``c level 0.9 codec=no``; empty for the plain one."""
    level = f"level {trial['level']:g}" if trial.get("level") is not None else ""
    return " ".join(filter(None, (trial.get("experiment", "") if level else "", level, trial.get("variant", ""))))
