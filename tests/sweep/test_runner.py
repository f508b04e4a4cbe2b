"""The grid on a real local Ray: reuse, growth, failures that stay visible, a killed trial process."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from rac_ray.errors import BadInput
from rac_ray.results import load
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from rac_ray.sweep.session import ray_session
from tests.sweep import faults
from tests.sweep.running import QUICK, data, plan_of, run

__all__ = ["data", "plan_of"]

pytestmark = pytest.mark.usefixtures("local_ray")


def record_bytes(ledger: Ledger) -> dict[str, bytes]:
    return {
        training_id: ledger.folder(training_id).read_bytes("record.json")
        for training_id in ledger.training_ids()
        if ledger.folder(training_id).exists("record.json")
    }


def test_a_grown_grid_runs_only_what_is_new(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of()
    lines = run(plan)
    assert sum(" done   " in line for line in lines) == 4
    assert any("4/4 done, 0 failed, none left" in line for line in lines)
    before = record_bytes(plan.ledger)
    assert len(before) == 4
    assert not any(" start " in line for line in run(plan))
    grown = plan_of(seeds=(0, 1, 7))
    lines = run(grown)
    assert sum(" start " in line for line in lines) == 2
    after = record_bytes(plan.ledger)
    assert len(after) == 6
    assert {trial_id: content for trial_id, content in after.items() if trial_id in before} == before


@pytest.mark.slow
def test_neighbours_and_reused_processes_change_no_bit(plan_of: Callable[..., Plan], tmp_path: Path) -> None:
    """Six trials on two cores, side by side, three to a process: the last one is as in a process of its own."""
    plan = plan_of(seeds=(0, 1, 2))
    run(plan)
    training_id, ledger, out = plan.tasks[-1].training_id, plan.ledger, tmp_path / "alone.pt"
    arguments = [ledger.storage.root, training_id, plan.data.root, str(out)]
    subprocess.run([sys.executable, "-m", "tests.sweep.fresh_trial", *arguments], check=True)
    alone = torch.load(out, weights_only=True)
    weights = torch.load(f"{ledger.folder(training_id).root}/best.ckpt", weights_only=True)
    assert all(torch.equal(alone["weights"][name], value) for name, value in weights.items())
    logits = np.array(ledger.table(training_id, "predictions").column("logits").to_pylist(), np.float32)
    np.testing.assert_array_equal(logits, alone["logits"].numpy())


def test_finished_trials_of_other_pixels_are_not_mixed_in(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of(models=("timesformer1",), seeds=(0,))
    run(plan)
    folder = plan.ledger.folder(plan.tasks[0].training_id)
    record = folder.read_json("record.json")
    record["content"]["mnist/test"] = "0" * 64
    folder.write_json("record.json", record)
    with pytest.raises(BadInput, match=r"was trained with other pixels in mnist/test than .* another --storage"):
        run(plan_of(models=("timesformer1",), seeds=(0, 1)))


def test_a_trial_that_raises_is_a_visible_row_and_the_others_go_on(plan_of: Callable[..., Plan]) -> None:
    """A learning rate beyond all bounds makes two trials diverge; nothing is left of them but their reasons."""
    recipes = {"timesformer1": QUICK, "cnn3d": replace(QUICK, learning_rate=1e38)}
    plan = plan_of(recipes=recipes)
    lines = run(plan)
    tables = load(plan.ledger.storage.root)
    rows = tables.trials.set_index(["model", "seed"])
    assert rows["state"].to_dict() == {
        ("cnn3d", 0): "failed",
        ("cnn3d", 1): "failed",
        ("timesformer1", 0): "done",
        ("timesformer1", 1): "done",
    }
    assert rows["reason"].to_dict()["cnn3d", 0] == "not finite: NotFinite: training loss is nan in epoch 1"
    failed = next(task.training for task in plan.tasks if task.training.model == "cnn3d")
    (failure,) = plan.ledger.failures(failed.training_id)
    assert "Traceback" in failure["traceback"]
    assert any("NotFinite" in line for line in failure["log_tail"])
    told = [line for line in lines if "FAILED" in line]
    assert len(told) == 2
    path = f"{plan.ledger.folder(failed.training_id).root}/failure-001.json"
    assert any(
        line
        == f"{failed.training_id} FAILED cnn3d h=2 2dot seed=0: not finite: NotFinite: training loss is nan in epoch "
        f"1; given up (traceback: {path})"
        for line in told
    )
    assert "4 trials planned = 2 done + 2 failed + 0 running + 0 pending; " in lines[-1]


@pytest.mark.slow
def test_a_killed_trial_process_ends_at_the_same_numbers(plan_of: Callable[..., Plan]) -> None:
    """SIGKILL to the training process; Tune starts the trial again, the table is that of an undisturbed run."""
    slow = replace(QUICK, max_epochs=12, patience=12)
    axes = {"models": ("cnn3d",), "seeds": (3,), "recipes": {"cnn3d": slow}, "train_clips": 16}
    plan = plan_of(**axes)
    killed: list[int] = []

    def kill_once(line: str) -> None:
        if " start " in line and not killed:
            threading.Thread(target=kill_when_training, args=(killed,)).start()

    run_plan(plan, Resources(pause=0.1), kill_once, faults.takes_its_time)
    assert len(killed) == 1
    (task,) = plan.tasks
    disturbed = plan.ledger.record(task.training_id)
    undisturbed_plan = replace(plan, ledger=Ledger(plan.ledger.storage.below("undisturbed")))
    run(undisturbed_plan)
    undisturbed = undisturbed_plan.ledger.record(task.training_id)
    assert disturbed
    assert undisturbed
    assert disturbed.evaluations == undisturbed.evaluations
    tables = [ledger.table(task.training_id, "predictions") for ledger in (plan.ledger, undisturbed_plan.ledger)]
    assert tables[0].equals(tables[1])


def kill_when_training(killed: list[int]) -> None:
    """Kill the busiest process among this test's own Ray actors, once it has trained for a second."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in psutil.Process().children(recursive=True):
            try:
                if "ImplicitFunc.train" in " ".join(process.cmdline()):
                    time.sleep(1.5)
                    process.kill()
                    killed.append(process.pid)
                    return
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.05)


def test_workers_that_do_not_fit_are_named_before_anything_is_made(
    plan_of: Callable[..., Plan], tmp_path: Path
) -> None:
    plan = replace(plan_of(), data=Storage.at(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"one training with --workers 3 .* needs 3 CPUs, the cluster has 2 CPUs"):
        run_plan(plan, Resources(workers=3))
    assert list(tmp_path.iterdir()) == []


def test_no_cluster_at_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(BadInput, match=r"no Ray cluster at 'nowhere'"), ray_session(Resources(address="nowhere")):
        pass
