"""A ledger of records as trainings write them, without training: 2 models x 2 h x 2 seeds, one failed, one pending."""

from itertools import product
from pathlib import Path
from typing import Any, cast

import msgspec
import pyarrow as pa
import pytest

from rac_ray.identity import Evaluation, Recipe, Training, Trial
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Checkpoint, Evaluated, Record, evaluated, named
from rac_ray.store.storage import Storage
from rac_ray.training.task import Counts, Task

CLIPS = 100
EPOCH = 3
TOP1 = {("2dot", "val"): 0.8, ("2dot", "test"): 0.75, ("5dot", "test"): 0.6, ("mnist", "test"): 0.4}
ROLES = {("2dot", "val"): "source_val", ("2dot", "test"): "source_test"}
EVALUATIONS = tuple(Evaluation(*part, role=ROLES.get(part, "target"), content="clips") for part in TOP1)


def task_of(trial: Trial) -> Task:
    """What is asked of a trial; nobody opens its clips."""
    return Task(
        trial.training, cast(Any, None), EVALUATIONS, Counts(CLIPS, CLIPS, {each.part: CLIPS for each in EVALUATIONS})
    )


def said(evaluation: Evaluated) -> pa.Table:
    """Predictions for CLIPS clips of the classes in turn; the first ``correct`` ones are right, the others one off."""
    labels = [index % 5 for index in range(CLIPS)]
    predicted = [(label + (index >= evaluation.correct)) % 5 for index, label in enumerate(labels)]
    return pa.table(
        {
            "evaluation_id": [evaluation.evaluation_id] * CLIPS,
            "target": [evaluation.target] * CLIPS,
            "split": [evaluation.split] * CLIPS,
            "clip_id": [f"{evaluation.part}/{index:06d}" for index in range(CLIPS)],
            "label": pa.array(labels, pa.int8()),
            "predicted": pa.array(predicted, pa.int8()),
        }
    )


def record_of(trial: Trial, shift: float = 0.0) -> Record:
    """The record of a trial whose top-1 is ``shift`` above TOP1 everywhere."""
    training = trial.training
    correct = [round(CLIPS * (top1 + shift)) for top1 in TOP1.values()]
    evaluations = [
        evaluated(each, training.training_id, EPOCH, clips=CLIPS, correct=right, top1=right / CLIPS)
        for each, right in zip(EVALUATIONS, correct, strict=True)
    ]
    best = evaluations[0].top1
    return Record(
        study="ts_grid",
        **training.as_dict(),
        trials=[named(trial)],
        selection_rule="highest source-validation top-1, first epoch on ties",
        best_epoch=EPOCH,
        best_val_top1=best,
        epochs=5,
        selected=[Checkpoint(level=None, epoch=EPOCH, val_top1=best)],
        evaluations=evaluations,
        parameters=1000 * training.hidden_units,
        classes=5,
        device="cpu",
        workers=1,
        host="here",
        python="3.11.0",
        commit="abc123",
        versions={"torch": "2.13.0", "ray": "2.60.0"},
        seconds={"to_first_step": 0.5, "training": 9.0, "evaluation": 1.0, "total": 10.6},
        finished_at="2026-01-01T00:00:00Z",
    )


def finish(ledger: Ledger, trial: Trial, shift: float = 0.0) -> None:
    """Write what the training and its evaluations came to."""
    write(ledger, record_of(trial, shift))


def write(ledger: Ledger, record: Record) -> None:
    """Write a record as an attempt does: the training first, then what it was asked."""
    epochs = [{"epoch": epoch, "val_top1": 0.5 + epoch / 10} for epoch in range(5)]
    ledger.trained(msgspec.structs.replace(record, evaluations=[]), epochs, b"weights")
    ledger.evaluated(record, pa.concat_tables(map(said, record.evaluations)))


def trials_of(recipe: Recipe) -> list[Trial]:
    """2 models x 2 h x 2 seeds."""
    keys = product(("cnn3d", "convlstm"), (2, 4), (0, 42))
    about = {"digits": "optdigits"}
    return [Trial(Training(model, h, "2dot", seed, recipe, "feed", about=about)) for model, h, seed in keys]


@pytest.fixture
def trials() -> list[Trial]:
    return trials_of(Recipe(precision="32"))


@pytest.fixture
def sweep_folder(tmp_path: Path, trials: list[Trial]) -> Path:
    """Six done (seed 42 five points better), the seventh failed, the eighth pending."""
    ledger = Ledger(Storage.at(tmp_path / "ts_grid"))
    tasks = [task_of(trial) for trial in trials]
    ledger.register(tasks, ledger.scan(tasks), "ts_grid")
    for trial in trials[:6]:
        finish(ledger, trial, 0.05 if trial.training.seed == 42 else 0.0)
    ledger.fail(trials[6].trial_id, 1, {"class": "not finite", "reason": "NotFinite: nan", "traceback": ""})
    ledger.decide(trials[6].trial_id, 1, retry=False)
    return tmp_path / "ts_grid"
