"""A ledger of records as trials write them, without training: 2 models x 2 h x 2 seeds, one failed, one pending."""

from pathlib import Path

import pyarrow as pa
import pytest

from rac_ray.identity import Grid, Trial
from rac_ray.ledger import Ledger
from rac_ray.storage import Storage

CLIPS = 100
TOP1 = {("2dot", "val"): 0.8, ("2dot", "test"): 0.75, ("5dot", "test"): 0.6, ("mnist", "test"): 0.4}
ROLES = {("2dot", "val"): "source_val", ("2dot", "test"): "source_test"}
GRID = Grid(("cnn3d", "convlstm"), (2, 4), (0, 42), ("2dot",))


def said(target: str, split: str, correct: int) -> pa.Table:
    """Predictions for CLIPS clips of the classes in turn; the first ``correct`` ones are right, the others one off."""
    labels = [index % 5 for index in range(CLIPS)]
    return pa.table(
        {
            "target": [target] * CLIPS,
            "split": [split] * CLIPS,
            "clip_id": [f"{target}/{split}/{index:06d}" for index in range(CLIPS)],
            "label": pa.array(labels, pa.int8()),
            "predicted": pa.array([(label + (index >= correct)) % 5 for index, label in enumerate(labels)], pa.int8()),
        }
    )


def finish(ledger: Ledger, trial: Trial, shift: float = 0.0) -> None:
    evaluations = [
        {
            "target": target,
            "split": split,
            "role": ROLES.get((target, split), "target"),
            "clips": CLIPS,
            "correct": round(CLIPS * (top1 + shift)),
            "top1": round(CLIPS * (top1 + shift)) / CLIPS,
        }
        for (target, split), top1 in TOP1.items()
    ]
    predictions = pa.concat_tables(said(each["target"], each["split"], each["correct"]) for each in evaluations)
    record = {
        "schema": 1,
        **trial.as_dict(),
        "selection_rule": "highest source-validation top-1, first epoch on ties",
        "best_epoch": 3,
        "best_val_top1": evaluations[0]["top1"],
        "epochs": 5,
        "parameters": 1000 * trial.hidden_units,
        "evaluations": evaluations,
        "precision_used": "32",
        "device": "cpu",
        "workers": 1,
        "host": "here",
        "python": "3.11.0",
        "commit": "abc123",
        "versions": {"torch": "2.13.0", "ray": "2.60.0"},
        "seconds": {"to_first_step": 0.5, "training": 9.0, "evaluation": 1.0, "total": 10.6},
        "finished_at": "2026-01-01T00:00:00Z",
    }
    epochs = [{"epoch": epoch, "val_top1": 0.5 + epoch / 10} for epoch in range(5)]
    ledger.finish(trial.trial_id, record, epochs, predictions, b"weights")


@pytest.fixture
def trials() -> list[Trial]:
    return GRID.trials({"2dot": "feed"}, "optdigits")


@pytest.fixture
def sweep_folder(tmp_path: Path, trials: list[Trial]) -> Path:
    """Six done (seed 42 five points better), the seventh failed, the eighth pending."""
    ledger = Ledger(Storage.at(tmp_path / "ts_grid"))
    ledger.register(trials)
    for trial in trials[:6]:
        finish(ledger, trial, 0.05 if trial.seed == 42 else 0.0)
    ledger.fail(trials[6].trial_id, 1, {"class": "not finite", "reason": "NotFinite: nan", "traceback": ""})
    ledger.decide(trials[6].trial_id, 1, retry=False)
    return tmp_path / "ts_grid"
