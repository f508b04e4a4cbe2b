"""The train loop under a real Ray: records, evaluation of every domain, and two DDP workers against one."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
import torch

from rac_ray.data.manifest import read_split
from rac_ray.identity import Recipe
from rac_ray.results import load
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from rac_ray.training.evaluate import predict
from tests.docs.test_columns import check_records
from tests.sweep.tiny_sweep import plan_of

RECIPE = Recipe(learning_rate=0.01, batch_size=8, max_epochs=3, patience=3)
GRID = Grid(
    models=("timesformer1",),
    hidden_units=(4,),
    seeds=(0,),
    sources=("2dot", "mnist_bg"),
    train_clips=33,
    val_clips=11,
    test_clips=9,
    recipes={"timesformer1": RECIPE},
    paired_clips=7,
)


@pytest.fixture(scope="module")
def two_cpus():
    """Two workers, and the waiting half of their trial, which takes no core."""
    ray.init("local", num_cpus=2, object_store_memory=200_000_000, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def plans(two_cpus: None, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Plan]:
    """Both directions by one worker, and one of them by two."""
    folder = tmp_path_factory.mktemp("sweep")
    grids = {1: GRID, 2: replace(GRID, sources=("2dot",))}
    plans = {workers: plan_of(grid, folder / str(workers), folder / "data") for workers, grid in grids.items()}
    for workers, plan in plans.items():
        run_plan(plan, Resources(workers=workers))
    return plans


def test_every_trial_has_a_record_with_all_its_domains(plans: dict[int, Plan]) -> None:
    tables = load(plans[1].ledger.storage.root)
    assert tables.trials["state"].tolist() == ["done", "done"]
    check_records(tables)
    roles = {
        source: rows[["target", "split", "role", "clips"]].to_numpy().tolist()
        for source, rows in tables.evaluations.groupby("source")
    }
    assert roles == {
        "2dot": [
            ["2dot", "val", "source_val", 11],
            ["2dot", "test", "source_test", 9],
            ["5dot", "test", "target", 9],
            ["mnist", "test", "target", 9],
            ["mnist_bg", "test", "target", 9],
            ["mnist_bg_half", "test", "target", 9],
            ["2dot", "paired", "paired", 7],
            ["5dot", "paired", "paired", 7],
            ["mnist", "paired", "paired", 7],
            ["mnist_bg", "paired", "paired", 7],
            ["mnist_bg_half", "paired", "paired", 7],
        ],
        "mnist_bg": [
            ["mnist_bg_half", "val", "source_val", 11],
            ["mnist_bg_half", "test", "source_test", 9],
            ["mnist", "test", "target", 9],
            ["5dot", "test", "target", 9],
            ["2dot", "test", "target", 9],
            ["mnist_bg_half", "paired", "paired", 7],
            ["mnist", "paired", "paired", 7],
            ["5dot", "paired", "paired", 7],
            ["2dot", "paired", "paired", 7],
        ],
    }
    best = tables.trials.set_index("trial_id")["best_val_top1"]
    validated = tables.evaluations.query("role == 'source_val'").set_index("trial_id")["top1"]
    assert validated.to_dict() == best.to_dict()


def test_predictions_are_what_the_best_checkpoint_says(plans: dict[int, Plan]) -> None:
    plan = plans[1]
    tables = load(plan.ledger.storage.root)
    task = plan.tasks[0]
    model = task.subject.build()
    weights = Path(plan.ledger.folder(task.training_id).root) / "best.ckpt"
    model.load_state_dict(torch.load(weights, weights_only=True))
    clips = read_split(plan.data, "mnist/test")
    frames = torch.from_numpy(clips.frames).unsqueeze(2)
    logits = predict(model, [(frames, torch.from_numpy(clips.labels))], device=torch.device("cpu"))
    asked = "trial_id == @task.training_id and target == 'mnist' and split == 'test'"
    rows = tables.predictions.query(asked)
    np.testing.assert_allclose(np.stack(rows["logits"].tolist()), logits, rtol=1e-4, atol=1e-6)
    assert rows["clip_id"].tolist() == clips.clip_ids
    counted = tables.evaluations.query(asked)["correct"].item()
    assert (rows["label"] == rows["predicted"]).sum() == counted == int((logits.argmax(axis=1) == clips.labels).sum())


def test_predictions_on_paired_clips_are_matched_by_number(plans: dict[int, Plan]) -> None:
    """One row per clip and one column per domain of the direction, with one label per row."""
    predictions = load(plans[1].ledger.storage.root).predictions.query("split == 'paired'")
    for task in plans[1].tasks:
        rows = predictions.query("trial_id == @task.training_id")
        rows = rows.assign(number=rows["clip_id"].str.rpartition("/")[2])
        domains = [each.target for each in task.evaluations if each.split == "paired"]
        labels = rows.pivot_table("label", "number", "target", "first")
        assert labels.index.tolist() == [f"{index:06d}" for index in range(7)]
        assert sorted(labels) == sorted(domains)
        assert len(rows) == labels.size
        assert all(len(set(row)) == 1 for row in labels.to_numpy().tolist())


def test_two_gloo_workers_train_as_one_does(plans: dict[int, Plan]) -> None:
    """The same global batches in the same order; only sums are rounded otherwise (tolerance 1e-4 relative)."""
    one, two = (load(plans[workers].ledger.storage.root, plans[2].tasks) for workers in (1, 2))
    assert two.trials["workers"].tolist() == [2]
    assert one.trials["trial_id"].tolist() == two.trials["trial_id"].tolist()
    for column in ("train_loss", "val_loss", "train_top1", "val_top1"):
        np.testing.assert_allclose(two.epochs[column], one.epochs[column], rtol=1e-4, err_msg=column)
    logits = [np.stack(tables.predictions["logits"].tolist()) for tables in (one, two)]
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-3)


def test_records_name_their_circumstances(plans: dict[int, Plan]) -> None:
    plan = plans[1]
    record = plan.ledger.record(plan.trials[0].trial_id)
    assert record
    assert record.study == "tiny"
    assert record.selection_rule == "highest source-validation top-1, first epoch on ties"
    assert record.recipe.precision == "32"
    assert record.versions["timesformer-pytorch"] == "0.4.1"
    assert set(record.seconds) == {"to_first_step", "training", "evaluation", "total"}
    assert set(record.content) == {"2dot/train", *(each.part for each in record.evaluations)}
    assert record.dataset
    assert record.dataset["clips"].keys() == record.content.keys()


@pytest.mark.slow
def test_a_killed_worker_of_a_group_is_a_lost_process_and_the_trial_goes_on(
    two_cpus: None, plans: dict[int, Plan], tmp_path: Path
) -> None:
    """SIGKILL to one of two ranks: one retry, on the account of lost processes, ends at the undisturbed figures."""
    long = replace(GRID, sources=("2dot",), recipes={"timesformer1": replace(RECIPE, max_epochs=30, patience=30)})
    disturbed, undisturbed = (
        plan_of(long, tmp_path / name, Path(plans[1].data.root)) for name in ("disturbed", "undisturbed")
    )
    killed: list[int] = []
    resources = Resources(workers=2, pause=0.1, budgets=Budgets(preempted=1, code=0))
    watcher = threading.Thread(target=kill_a_rank, args=(disturbed, killed))
    watcher.start()
    assert run_plan(disturbed, resources, lambda _line: None) == ""
    watcher.join()
    assert len(killed) == 1
    (trial,) = disturbed.trials
    (failure,) = disturbed.ledger.failures(trial.trial_id)
    assert (failure["class"], failure["retry"]) == ("preempted", True), failure["reason"]
    assert run_plan(undisturbed, resources, lambda _line: None) == ""
    found, expected = (
        load(plan.ledger.storage.root).evaluations["correct"].tolist() for plan in (disturbed, undisturbed)
    )
    assert found == expected


def kill_a_rank(plan: Plan, killed: list[int]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        ranks = [p for p in psutil.Process().children(recursive=True) if "RayTrainWorker" in title(p)]
        if len(ranks) == 2 and plan.ledger.log_tail(plan.trials[0].trial_id, 1):
            time.sleep(0.5)
            ranks[1].kill()
            killed.append(ranks[1].pid)
            return
        time.sleep(0.05)


def title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie is one, too
        return ""
