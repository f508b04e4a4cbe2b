"""A ledger of records as trainings write them, without training: 2 models x 2 h x 2 seeds, one failed, one pending."""

from itertools import product
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from rac_ray.identity import Evaluation, Recipe, Training, Trial
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.training.task import Counts, Task
from tests.records import CLIPS, predictions_of, record_of

TOP1 = {("2dot", "val"): 0.8, ("2dot", "test"): 0.75, ("5dot", "test"): 0.6, ("mnist", "test"): 0.4}
ROLES = {("2dot", "val"): "source_val", ("2dot", "test"): "source_test"}
EVALUATIONS = tuple(Evaluation(*part, role=ROLES.get(part, "target"), content="clips") for part in TOP1)


def task_of(trial: Trial) -> Task:
    """What is asked of a trial; nobody opens its clips."""
    counts = Counts(CLIPS, CLIPS, {each.part: CLIPS for each in EVALUATIONS})
    return Task(trial.training, cast(Any, None), EVALUATIONS, counts, trials=(trial,))


def scored(trial: Trial, shift: float = 0.0) -> Record:
    """The record of a trial whose top-1 is ``shift`` above TOP1 everywhere."""
    return record_of(task_of(trial), {"/".join(part): round(top1 + shift, 2) for part, top1 in TOP1.items()})


def finish(ledger: Ledger, trial: Trial, shift: float = 0.0) -> None:
    """Write what the training and its evaluations came to."""
    write(ledger, scored(trial, shift))


def write(ledger: Ledger, record: Record) -> None:
    """Write a record as an attempt does: the training first, then what it was asked."""
    epochs = [{"epoch": epoch, "val_top1": 0.5 + epoch / 10} for epoch in range(5)]
    ledger.trained(msgspec.structs.replace(record, evaluations=[]), epochs, b"weights")
    ledger.evaluated(record, predictions_of(record))


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
