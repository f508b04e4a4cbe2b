"""Small sweeps of two models on a local Ray, for tests that run them: fixtures to import, and what they leave."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rac_ray.identity import Recipe
from rac_ray.store.files import BEST_CHECKPOINT
from rac_ray.store.record import Record
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import Trainable, run_plan
from rac_ray.training.checkpoints import weights_in
from tests.sweep import tiny_sweep

QUICK = Recipe(learning_rate=0.01, batch_size=8, max_epochs=2, patience=2)
GRID = Grid(
    models=("timesformer1", "cnn3d"),
    hidden_units=(2,),
    seeds=(0, 1),
    sources=("2dot",),
    train_clips=16,
    val_clips=8,
    test_clips=8,
    recipes={"timesformer1": QUICK, "cnn3d": QUICK},
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data folder that the sweeps of a module share."""
    return str(tmp_path_factory.mktemp("data"))


@pytest.fixture
def plan_of(tmp_path: Path, data: str) -> Callable[..., Plan]:
    """The grid, or with some of its fields replaced, on a storage of the test's own."""

    def make(**axes: Any) -> Plan:
        return tiny_sweep.plan_of(replace(GRID, **axes), tmp_path / "results", Path(data))

    return make


def run(plan: Plan, trainable: Trainable = run_task, workers: int | None = None) -> list[str]:
    """Run a plan; returns what it said."""
    lines: list[str] = []
    run_plan(plan, Resources(pause=0.1, workers=workers), lines.append, trainable)
    return lines


def predictions_of(plan: Plan) -> dict[str, pa.Table]:
    return {task.training_id: plan.ledger.table(task.training_id, "predictions") for task in plan.tasks}


def records_of(plan: Plan) -> dict[str, Record]:
    records = {task.training_id: plan.ledger.record(task.training_id) for task in plan.tasks}
    return {training_id: record for training_id, record in records.items() if record is not None}


def outcome(plan: Plan) -> dict[str, tuple[Any, ...]]:
    """All that trainings came to, to the bit: weights, epochs without their times, predictions."""
    found = {}
    for task in plan.tasks:
        weights = weights_in(plan.ledger.folder(task.training_id), BEST_CHECKPOINT)
        digest = hashlib.sha256(b"".join(value.numpy().tobytes() for value in weights.values())).hexdigest()
        epochs, predictions = (plan.ledger.table(task.training_id, name) for name in ("epochs", "predictions"))
        epochs = epochs.drop_columns(["seconds", "loader_wait_share"])
        found[task.training_id] = digest, epochs.to_pylist(), predictions.to_pylist()
    return found


def assert_each_clip_once(diary: Path, clips: int) -> None:
    """In every epoch, by the diary of ``faults``: of all ranks, in the steps that count.

    Those are a step's last attempt, as an earlier one came to no checkpoint.
    """
    last: dict[tuple[int, int], int] = {}
    found: dict[tuple[int, int, int], list[str]] = {}
    for path in diary.iterdir():
        attempt = int(path.name.partition("-")[0])
        for line in map(json.loads, path.read_text().splitlines()):
            step = line["epoch"], line["step"]
            last[step] = max(attempt, last.get(step, 0))
            found.setdefault((*step, attempt), []).extend(line["clips"])
    for epoch in {epoch for epoch, _ in last}:
        seen = Counter(clip for step in last if step[0] == epoch for clip in found[*step, last[step]])
        assert (len(seen), max(seen.values())) == (clips, 1), f"epoch {epoch}"
