"""Sweeps of stacked seeds on a real Ray: the bits of seeds alone, whatever fails, is killed, or is added later."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from rac_ray.errors import BadInput
from rac_ray.results import load
from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import Trainable, run_plan
from rac_ray.training.stack import StackedClassifier
from tests.sweep import tiny_sweep
from tests.sweep.running import GRID, QUICK, data, outcome, plan_of, records_of

__all__ = ["data", "plan_of"]
pytestmark = pytest.mark.usefixtures("local_ray")

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def alone(local_ray: None, data: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, ...]]:
    """What each training comes to in a process of its own."""
    plan = tiny_sweep.plan_of(replace(GRID, seeds=SEEDS), tmp_path_factory.mktemp("alone"), Path(data))
    assert len(started(run(plan, stack=1))) == 6
    assert {record.stacked for record in records_of(plan).values()} == {1}
    return outcome(plan)


def run(plan: Plan, trainable: Trainable = run_task, stack: int = 3, **more: Any) -> list[str]:
    lines: list[str] = []
    run_plan(plan, Resources(pause=0.1, stack=stack, **more), lines.append, trainable)
    return lines


def started(lines: list[str]) -> list[str]:
    """Seed, attempt and size of the stack of each start, as told."""
    return [line.partition("seed=")[2] for line in lines if " start " in line]


def stacks(plan: Plan) -> dict[tuple[str, int], int]:
    return {(record.model, record.seed): record.stacked for record in records_of(plan).values()}


def only(outcomes: dict[str, tuple[Any, ...]], plan: Plan) -> dict[str, tuple[Any, ...]]:
    return {task.training_id: outcomes[task.training_id] for task in plan.tasks}


def test_seeds_of_a_stack_come_to_what_they_come_to_alone(
    plan_of: Callable[..., Plan], alone: dict[str, tuple[Any, ...]]
) -> None:
    plan = plan_of(seeds=SEEDS)
    lines = run(plan)
    assert sorted(started(lines)) == sorted(f"{seed}, 3 stacked" for seed in SEEDS for _ in GRID.models)
    assert outcome(plan) == alone
    assert set(stacks(plan).values()) == {3}
    tables = load(plan.ledger.storage.root)
    assert tables.trials["stacked"].tolist() == [3] * 6
    assert tables.trials["state"].tolist() == ["done"] * 6
    assert not started(run(plan))


@pytest.mark.slow
def test_a_grown_list_of_seeds_stacks_only_what_is_missing(
    plan_of: Callable[..., Plan], alone: dict[str, tuple[Any, ...]]
) -> None:
    few, more = (plan_of(models=("cnn3d",), seeds=seeds) for seeds in ((1,), SEEDS))
    run(few)
    lines = run(more)
    assert sorted(started(lines)) == ["0, 2 stacked", "2, 2 stacked"]
    assert stacks(more) == {("cnn3d", 0): 2, ("cnn3d", 1): 1, ("cnn3d", 2): 2}
    assert outcome(more) == only(alone, more)


def breaks_one_seed(config: dict[str, Any], **given: Any) -> None:
    """In the first attempt the second member's validation loss is not a number in the second epoch."""
    ends = StackedClassifier.on_validation_epoch_end

    def on_validation_epoch_end(self: StackedClassifier) -> None:
        ends(self)
        if self.current_epoch == 1 and self.members == 3:
            self.member_figures[1]["val_loss"] = float("nan")

    with patch.object(StackedClassifier, "on_validation_epoch_end", on_validation_epoch_end):
        run_task(config, **given)


def test_a_seed_that_fails_is_the_only_one_that_does(
    plan_of: Callable[..., Plan], alone: dict[str, tuple[Any, ...]]
) -> None:
    plan = plan_of(models=("cnn3d",), seeds=SEEDS)
    lines = run(plan, breaks_one_seed)
    assert sum(" done   " in line for line in lines) == 2
    (told,) = [line for line in lines if "FAILED" in line]
    assert "seed=1: not finite: NotFinite: validation loss is nan in epoch 2; given up" in told
    failures = {task.training.seed: plan.ledger.failures(task.training_id) for task in plan.tasks}
    assert [len(failures[seed]) for seed in SEEDS] == [0, 1, 0]
    assert any("attempt 1 at seed 1 failed" in line for line in failures[1][0]["log_tail"])
    assert load(plan.ledger.storage.root).trials["state"].tolist() == ["done", "failed", "done"]
    again = replace(plan_of(models=("cnn3d",), seeds=SEEDS), retry_failed=True)
    assert started(run(again)) == ["1, attempt 2"]
    assert outcome(again) == only(alone, again)


def in_its_third_step(act: Callable[[], None], config: dict[str, Any], **given: Any) -> None:
    """The first attempt comes to an act in its third step of training."""
    original, calls = StackedClassifier.training_step, []

    def training_step(self: StackedClassifier, batch: Any, batch_idx: int) -> None:
        calls.append(batch_idx)
        if len(calls) == 3 and config["attempt"] == 1:
            act()
        original(self, batch, batch_idx)

    with patch.object(StackedClassifier, "training_step", training_step):
        run_task(config, **given)


def kills_itself(config: dict[str, Any], **given: Any) -> None:
    in_its_third_step(lambda: os.kill(os.getpid(), signal.SIGKILL), config, **given)


def runs_out_of_memory(config: dict[str, Any], **given: Any) -> None:
    def allocate() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    in_its_third_step(allocate, config, **given)


@pytest.mark.slow
def test_a_stack_whose_process_is_killed_is_tried_again(
    plan_of: Callable[..., Plan], alone: dict[str, tuple[Any, ...]]
) -> None:
    plan = plan_of(models=("timesformer1",), seeds=SEEDS)
    lines = run(plan, kills_itself, budgets=Budgets(code=0))
    assert sorted(started(lines)[3:]) == [f"{seed}, attempt 2, 3 stacked" for seed in SEEDS]
    classes = [each["class"] for task in plan.tasks for each in plan.ledger.failures(task.training_id)]
    assert classes == ["preempted"] * 3
    assert outcome(plan) == only(alone, plan)


@pytest.mark.slow
def test_a_stack_that_is_too_large_is_halved_once(
    plan_of: Callable[..., Plan], alone: dict[str, tuple[Any, ...]]
) -> None:
    plan = plan_of(models=("timesformer1",), seeds=SEEDS)
    lines = run(plan, runs_out_of_memory, stack=4)
    assert sorted(line.partition(", ")[2] for line in started(lines)) == [
        "3 stacked", "3 stacked", "3 stacked", "attempt 2", "attempt 2, 2 stacked", "attempt 2, 2 stacked",
    ]  # fmt: skip
    assert outcome(plan) == only(alone, plan)


def test_what_cannot_be_stacked_is_said_before_anything_runs(plan_of: Callable[..., Plan]) -> None:
    with pytest.raises(BadInput, match=r"--stack is 3 with 2 workers for each training; valid: 1"):
        run(plan_of(), workers=2)
    recipe = replace(QUICK, optimiser="adamw", precision="16-mixed")
    plan = plan_of(models=("cnn3d",), recipes={"cnn3d": recipe})
    with pytest.raises(BadInput, match=r"--stack is 3 for 16-mixed with AdamW, a schedule or clipping; valid: 1"):
        run(plan, num_gpus=1, num_cpus=8)
