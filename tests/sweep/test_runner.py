"""The grid on a real local Ray: reuse, growth, failures that stay visible, a killed trial process."""

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pyarrow as pa
import pytest
import torch

from rac_ray.errors import BadInput
from rac_ray.identity import Recipe, Trial
from rac_ray.results import load
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.studies.temporal_shape.symbols import all_symbols
from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import Trainable, run_plan
from rac_ray.sweep.session import ray_session
from rac_ray.sweep.worker import Setting
from rac_ray.training.selection import Selection
from tests.records import finish
from tests.studies.temporal_shape.idx import drawn, folder_of
from tests.sweep import faults, tiny_sweep

pytestmark = pytest.mark.usefixtures("local_ray")

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
    return str(tmp_path_factory.mktemp("data"))


@pytest.fixture
def plan_of(tmp_path: Path, data: str):
    def make(**axes: Any) -> Plan:
        return tiny_sweep.plan_of(replace(GRID, **axes), tmp_path / "results", Path(data))

    return make


def record_bytes(ledger: Ledger) -> dict[str, bytes]:
    return {
        training_id: ledger.folder(training_id).read_bytes("record.json")
        for training_id in ledger.training_ids()
        if ledger.folder(training_id).exists("record.json")
    }


def run(plan: Plan, trainable: Trainable = run_task) -> list[str]:
    lines: list[str] = []
    run_plan(plan, Resources(pause=0.1), lines.append, trainable)
    return lines


def files_of(plan: Plan, name: str) -> dict[str, bytes]:
    """A file of each training, by training id."""
    return {task.training_id: plan.ledger.folder(task.training_id).read_bytes(name) for task in plan.tasks}


def test_a_grown_grid_runs_only_what_is_new(plan_of) -> None:
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
def test_neighbours_and_reused_processes_change_no_bit(plan_of, tmp_path: Path) -> None:
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


def test_finished_trials_of_other_pixels_are_not_mixed_in(plan_of) -> None:
    plan = plan_of(models=("timesformer1",), seeds=(0,))
    run(plan)
    folder = plan.ledger.folder(plan.tasks[0].training_id)
    record = folder.read_json("record.json")
    record["content"]["mnist/test"] = "0" * 64
    folder.write_json("record.json", record)
    with pytest.raises(BadInput, match=r"was trained with other pixels in mnist/test than .* another --storage"):
        run(plan_of(models=("timesformer1",), seeds=(0, 1)))


def test_a_retry_after_the_record_trains_nothing(plan_of) -> None:
    """Without the record this call would fail for want of data; with it there is nothing to do."""
    plan = plan_of(models=("timesformer1",), seeds=(0,))
    (task,) = plan.tasks
    record = finish(plan.ledger, task)
    config = {"training_id": task.training_id, "attempt": 2, "resources": {}}
    run_task(config, {task.training_id: task}, {}, {}, Setting(plan.ledger, "driver", "tiny"))
    assert plan.ledger.record(task.training_id) == record
    assert plan.ledger.failures(task.training_id) == []


def test_one_more_evaluation_of_a_finished_sweep_trains_nothing(plan_of) -> None:
    """A training step would raise."""
    plan = plan_of()
    run(plan)
    before = {name: files_of(plan, name) for name in ("epochs.parquet", "best.ckpt")}
    tables, records = predictions_of(plan), records_of(plan)
    more = plan_of(paired_clips=6)
    assert more.trial_ids == plan.trial_ids
    assert set(more.states(more.entries(), None).values()) == {"pending"}
    lines = run(more, faults.trains_nothing)
    assert sum(" done   " in line for line in lines) == 4
    assert {name: files_of(plan, name) for name in before} == before
    for each in (plan, more):
        assert set(each.states(each.entries(), None).values()) == {"done"}
    for training_id, record in records_of(more).items():
        old = records[training_id]
        assert record.evaluations[: len(old.evaluations)] == old.evaluations
        assert [each.clips for each in record.evaluations[len(old.evaluations) :]] == [6] * 5
        assert {each.role for each in record.evaluations[len(old.evaluations) :]} == {"paired"}
        predictions = more.ledger.table(training_id, "predictions")
        assert predictions.slice(0, len(tables[training_id])).equals(tables[training_id])
        assert len(predictions) == len(tables[training_id]) + 5 * 6
        assert more.ledger.failures(training_id) == []
        assert not more.ledger.folder(training_id).exists("last.ckpt")
        assert (record.epochs, record.attempt, record.seconds["training"]) == (
            old.epochs,
            old.attempt,
            old.seconds["training"],
        )


def test_other_symbols_on_a_finished_sweep_train_nothing(plan_of, tmp_path: Path) -> None:
    """A training step would raise."""
    few = {"models": ("cnn3d",), "seeds": (0,)}
    plan = plan_of(**few)
    run(plan)
    (old,) = records_of(plan).values()
    folder = folder_of(tmp_path / "Kannada", drawn(4))
    more = plan_of(**few, symbols=all_symbols([folder]))
    assert more.trial_ids == plan.trial_ids
    assert set(more.states(more.entries(), None).values()) == {"pending"}
    assert sum(" done   " in line for line in run(more, faults.trains_nothing)) == 1
    (new,) = records_of(more).values()
    assert new.evaluations[:-1] == old.evaluations
    added = new.evaluations[-1]
    assert (added.part, added.role, added.clips, new.epochs) == ("kannada/test", "target", 8, old.epochs)
    assert set(plan.states(plan.entries(), None).values()) == {"done"}


def predictions_of(plan: Plan) -> dict[str, pa.Table]:
    return {task.training_id: plan.ledger.table(task.training_id, "predictions") for task in plan.tasks}


def records_of(plan: Plan) -> dict[str, Record]:
    records = {task.training_id: plan.ledger.record(task.training_id) for task in plan.tasks}
    return {training_id: record for training_id, record in records.items() if record is not None}


@pytest.mark.slow
def test_new_evaluations_are_those_of_a_sweep_that_had_them_from_the_start(plan_of, tmp_path: Path) -> None:
    few = {"models": ("cnn3d",), "seeds": (5,)}
    run(plan_of(**few))
    grown, whole = plan_of(**few, paired_clips=6), plan_of(**few, paired_clips=6)
    run(grown, faults.trains_nothing)
    whole = replace(whole, ledger=Ledger(Storage.at(tmp_path / "whole/tiny")))
    run(whole)
    order = [("evaluation_id", "ascending"), ("clip_id", "ascending")]
    found, expected = (next(iter(predictions_of(each).values())).sort_by(order) for each in (grown, whole))
    assert found.equals(expected)


def test_weights_that_were_deleted_are_trained_again_to_the_same_predictions(plan_of) -> None:
    """What was evaluated before and is not wanted now goes with the old weights."""
    few = {"models": ("timesformer1",), "seeds": (0,)}
    plan = plan_of(**few)
    run(plan)
    (before,) = predictions_of(plan).values()
    plan.ledger.folder(plan.tasks[0].training_id).delete("best.ckpt")
    assert not any(" start " in line for line in run(plan)), "nothing is missing, and nobody needs the weights"
    more = plan_of(**few, paired_clips=6)
    assert sum(" done   " in line for line in run(more)) == 1
    assert more.ledger.folder(more.tasks[0].training_id).exists("best.ckpt")
    (after,) = predictions_of(more).values()
    assert after.slice(0, len(before)).equals(before)
    assert len(after) == len(before) + 5 * 6


@pytest.mark.slow
def test_a_run_killed_between_training_and_evaluation_goes_on_with_the_evaluation(plan_of, tmp_path: Path) -> None:
    few = {"models": ("cnn3d",), "seeds": (0,)}
    plan = plan_of(**few)
    lines = run(plan, faults.kills_itself_before_the_evaluation)
    (training_id,) = (task.training_id for task in plan.tasks)
    assert [failure["class"] for failure in plan.ledger.failures(training_id)] == ["preempted"]
    assert sum(", attempt 2" in line for line in lines) == 1
    assert set(plan.states(plan.entries(), None).values()) == {"done"}
    undisturbed = replace(plan, ledger=Ledger(Storage.at(tmp_path / "undisturbed/tiny")))
    run(undisturbed)
    for name in ("epochs", "predictions"):
        found, expected = (each.ledger.table(training_id, name) for each in (plan, undisturbed))
        timed = [column for column in ("seconds", "loader_wait_share") if column in found.column_names]
        assert found.drop_columns(timed).equals(expected.drop_columns(timed))


def test_a_record_without_evaluations_is_evaluated_and_not_trained(plan_of) -> None:
    """As a driver leaves it that was killed between the two."""
    plan = plan_of(models=("cnn3d",), seeds=(0,))
    run(plan)
    (task,) = plan.tasks
    record, (before,) = records_of(plan)[task.training_id], predictions_of(plan).values()
    folder = plan.ledger.folder(task.training_id)
    folder.write_bytes("record.json", msgspec.structs.replace(record, evaluations=[]).as_json())
    assert plan.entries()[task.training_id].reason(None) == "trained; 6 evaluations are missing"
    assert sum(" start " in line for line in run(plan, faults.trains_nothing)) == 1
    (after,) = predictions_of(plan).values()
    assert after.equals(before)
    assert records_of(plan)[task.training_id].evaluations == record.evaluations


@pytest.mark.slow
def test_the_best_checkpoint_and_further_levels_are_asked_for_after_a_training_for_levels(plan_of) -> None:
    """Every checkpoint that a level could need was kept, the best one too."""
    plan = plan_of(models=("cnn3d",), seeds=(0,))
    (task,) = plan.tasks

    def at(*levels: float) -> Plan:
        trials = tuple(Trial(task.training, f"{level:g}", level) for level in levels)
        return replace(plan, tasks=(replace(task, selection=Selection(levels), trials=trials),))

    run(at(0.02, 0.98))
    (record,) = records_of(plan).values()
    assert [(each.level, each.reached) for each in record.selected] == [(0.02, True), (0.98, False)]
    for each, levels in ((plan, [0.02, 0.98, None]), (at(0.04, 0.98), [0.02, 0.98, None, 0.04])):
        assert set(each.states(each.entries(), None).values()) - {"unreached"} == {"pending"}
        assert sum(" done   " in line for line in run(each, faults.trains_nothing)) == 1
        (record,) = records_of(plan).values()
        assert [chosen.level for chosen in record.selected] == levels
        assert "pending" not in each.states(each.entries(), None).values()
    best = record.checkpoint(None)
    assert best
    assert (best.epoch, best.val_top1) == (record.best_epoch, record.best_val_top1)


def test_weights_that_come_anew_are_not_told_of_by_an_old_record(plan_of, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of it, the training is not done: its old predictions are gone."""
    plan = plan_of(models=("cnn3d",), seeds=(0,))
    (task,) = plan.tasks
    record = finish(plan.ledger, task)
    plan.ledger.folder(task.training_id).delete("best.ckpt")
    monkeypatch.setattr(Storage, "write_bytes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plan.ledger.trained(record, [{"epoch": 0}], b"weights")
    assert set(plan.states(plan.entries(), None).values()) == {"pending"}


def test_a_trial_that_raises_is_a_visible_row_and_the_others_go_on(plan_of) -> None:
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
    assert rows["reason"].to_dict()["cnn3d", 0] == "not finite: NotFinite: training loss is nan in epoch 0"
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
        f"0; given up (traceback: {path})"
        for line in told
    )
    assert "4 trials planned = 2 done + 2 failed + 0 running + 0 pending; " in lines[-1]


@pytest.mark.slow
def test_a_killed_trial_process_ends_at_the_same_numbers(plan_of) -> None:
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


def test_workers_that_do_not_fit_are_named_before_anything_is_made(plan_of, tmp_path: Path) -> None:
    plan = replace(plan_of(), data=Storage.at(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"one training with --workers 3 .* needs 3 CPUs, the cluster has 2 CPUs"):
        run_plan(plan, Resources(workers=3))
    assert list(tmp_path.iterdir()) == []


def test_no_cluster_at_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(BadInput, match=r"no Ray cluster at 'nowhere'"), ray_session(Resources(address="nowhere")):
        pass
