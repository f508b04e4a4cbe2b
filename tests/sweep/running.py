"""Small sweeps of two models on a local Ray, for tests that run them: fixtures to import, and what they leave."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rac_ray.identity import Recipe
from rac_ray.store.record import Record
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import Trainable, run_plan
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


def run(plan: Plan, trainable: Trainable = run_task) -> list[str]:
    """Run a plan; returns what it said."""
    lines: list[str] = []
    run_plan(plan, Resources(pause=0.1), lines.append, trainable)
    return lines


def predictions_of(plan: Plan) -> dict[str, pa.Table]:
    return {task.training_id: plan.ledger.table(task.training_id, "predictions") for task in plan.tasks}


def records_of(plan: Plan) -> dict[str, Record]:
    records = {task.training_id: plan.ledger.record(task.training_id) for task in plan.tasks}
    return {training_id: record for training_id, record in records.items() if record is not None}
