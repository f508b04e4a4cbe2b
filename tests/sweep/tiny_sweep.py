"""A sweep of seconds, in a process of its own: ``python -m tests.sweep.tiny_sweep FOLDER [one of faults]``.

On the cluster at ``RAY_ADDRESS``, or on a local Ray of two CPUs.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rac_ray.cli.exits import run_command
from rac_ray.identity import Recipe
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.planner import Plan, make_plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.sweep import faults

QUICK = Recipe(learning_rate=0.01, batch_size=8, max_epochs=3, patience=3)
GRID = Grid(
    models=("timesformer1",),
    hidden_units=(2,),
    seeds=(0, 1, 2),
    sources=("2dot",),
    train_clips=16,
    val_clips=8,
    test_clips=8,
    recipes={"timesformer1": QUICK, "cnn3d": QUICK},
)


def tiny_plan(folder: Path, data: Path | None = None, **axes: object) -> Plan:
    """The tiny grid, or with some of its fields replaced, on ``folder/results`` and ``folder/data``."""
    grid = replace(GRID, **axes)  # type: ignore[arg-type]
    return plan_of(grid, folder / "results", data or folder / "data")


def study_of(grid: Grid, name: str = "tiny") -> TemporalShape:
    """A grid of Temporal Shape as a study of its own, with one preset."""
    return TemporalShape(name, {"all": grid}, "all")


def plan_of(grid: Grid, storage: Path, data: Path, name: str = "tiny", **options: Any) -> Plan:
    """What a grid asks for, by the plain precision of CPUs."""
    return make_plan(study_of(grid, name), "all", str(storage), str(data), **{"precision": "32", **options})


def main() -> int:
    folder, *fault = sys.argv[1:]
    os.environ["TINY_DRIVER"] = str(os.getpid())
    trainable = getattr(faults, fault[0]) if fault else run_task
    where: dict[str, Any] = {"address": os.environ["RAY_ADDRESS"]} if "RAY_ADDRESS" in os.environ else {"num_cpus": 2}
    reason = run_plan(tiny_plan(Path(folder)), Resources(**where, pause=0.1), trainable=trainable)
    return 3 if reason else 0


if __name__ == "__main__":
    run_command(main)
