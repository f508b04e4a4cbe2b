"""The simulation against a real sweep on two CPUs, with the trial times of a smaller sweep before it."""

import statistics
import time
from pathlib import Path

import pytest

from benchmarks.simulation import Simulation, Site, Times
from rac_ray.identity import Recipe
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from tests.sweep.tiny_sweep import tiny_plan

RECIPE = Recipe(learning_rate=0.01, batch_size=8, max_epochs=12, patience=12)
AXES = {"models": ("timesformer1", "cnn3d"), "recipes": {"timesformer1": RECIPE, "cnn3d": RECIPE}, "train_clips": 96}
PROMISED = 0.2
"""Of the real makespan."""


def timed(plan: Plan) -> float:
    began = time.monotonic()
    assert run_plan(plan, Resources(pause=0.1), lambda _line: None) == ""
    return time.monotonic() - began


def simulated(plan: Plan, work: dict[str, float], times: Times) -> float:
    trainings = [task.training for task in plan.tasks]
    seconds = {training.training_id: work[training.model] for training in trainings}
    return Simulation(trainings, seconds, Site(nodes=1, cpus=2), times).run().makespan


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_real_sweep_takes_what_was_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the driver takes beside its trials is what the smaller sweep took beside its simulated ones."""
    small, large = (
        tiny_plan(tmp_path / name, tmp_path / "data", seeds=seeds, **AXES)
        for name, seeds in (("small", (0, 1)), ("large", tuple(range(10, 18))))
    )
    timed(tiny_plan(tmp_path / "data-only", tmp_path / "data", **{**AXES, "seeds": (0,)}))
    took = timed(small)
    records = [record for task in small.tasks if (record := small.ledger.record(task.training_id))]
    first_steps = sorted(record.seconds["to_first_step"] for record in records)
    work = {
        model: statistics.median(
            record.seconds["training"] + record.seconds["evaluation"] for record in records if record.model == model
        )
        for model in ("timesformer1", "cnn3d")
    }
    times = Times(driver=0.0, process=first_steps[-1] - first_steps[0], trial=first_steps[0])
    times = Times(took - simulated(small, work, times), times.process, times.trial)
    expected, real = simulated(large, work, times), timed(large)
    with capsys.disabled():
        print(f"\n16 trials on two CPUs: simulated {expected:.1f} s, took {real:.1f} s, ratio {real / expected:.2f}")
    assert real == pytest.approx(expected, rel=PROMISED)
