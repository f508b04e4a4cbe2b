"""Training on drawn clips in real worker groups: two, three and four gloo workers, a killed one, an elastic group."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import ray
import torch
from torch import Tensor, nn

from rac_ray.data.jpegs import load_clip, normalised
from rac_ray.models import Builder
from rac_ray.store.files import level_file
from rac_ray.store.record import Record
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.feed import official_places
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.runner import run_plan
from rac_ray.training.checkpoints import weights_in
from tests.studies.diving48.tiny import LEVELS, tiny_data, tiny_plan


@pytest.fixture(scope="module", autouse=True)
def six_cpus() -> Iterator[None]:
    """Four workers, what waits for them, and a task that reads clips."""
    ray.init("local", num_cpus=6, object_store_memory=300_000_000, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def data(six_cpus: None, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return tiny_data(tmp_path_factory.mktemp("clips"))


class Fragile(nn.Module):
    """Kills the process of rank 1 in the second step of the second epoch, once."""

    def __init__(self, build: Builder, marker: Path) -> None:
        super().__init__()
        self.inner = build()
        self.marker = marker
        self.steps = 0

    def forward(self, clips: Tensor) -> Tensor:
        self.steps += self.training
        if self.steps == 6 and torch.distributed.get_rank() == 1 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner(clips)


def with_model(plan: Plan, of: Any) -> Plan:
    """The plan with ``of(build)`` in place of what builds its model."""
    subjects: list[Any] = [task.subject for task in plan.tasks]
    changed = [replace(subject, build=of(subject.build)) for subject in subjects]
    tasks = [replace(task, subject=subject) for task, subject in zip(plan.tasks, changed, strict=True)]
    return replace(plan, tasks=tuple(tasks))


def trained(plan: Plan, workers: int, fewest: int | None = None) -> Record:
    """The record of the plan's only training in a group."""
    assert run_plan(plan, Resources(workers=workers, fewest_workers=fewest, pause=0.1), lambda _line: None) == ""
    (task,) = plan.tasks
    record = plan.ledger.record(task.training_id)
    assert record
    return record


def epochs_of(plan: Plan) -> pd.DataFrame:
    timed = ["seconds", "loader_wait_share"]
    return plan.ledger.table(plan.tasks[0].training_id, "epochs").to_pandas().drop(columns=timed)


@pytest.fixture(scope="module")
def by_two(data: Storage, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    plan = tiny_plan(data, tmp_path_factory.mktemp("two"))
    trained(plan, 2)
    return plan


@pytest.mark.slow
def test_a_group_leaves_levels_weights_and_predictions(by_two: Plan, data: Storage) -> None:
    (task,) = by_two.tasks
    record, folder = by_two.ledger.record(task.training_id), by_two.ledger.folder(task.training_id)
    assert record
    assert [(each.level, each.reached) for each in record.selected] == [(LEVELS[0], True), (LEVELS[1], False)]
    assert epochs_of(by_two)["clips"].tolist() == [32 + 4] * 3
    assert record.workers == 2
    assert {name for name in folder.names() if name.startswith("level-")} == {level_file(e) for e, _ in record.kept}
    epoch = record.selected[0].epoch
    table = by_two.ledger.table(task.training_id, "predictions").to_pandas()
    counts = table.groupby(["target", "split"]).size().to_dict()
    assert counts == {("original", "val"): 4, **{(name, "test"): 3 for name in ("original", "s1", "t")}}
    model = task.subject.build().eval()
    model.load_state_dict(weights_in(folder, level_file(epoch)))
    row = table.query("target == 's1'").iloc[2]
    place = official_places(data, "test")[2]
    item = {"clip_id": place.clip_id, "file": place.file, "row": place.row, "flip": False}
    subject: Any = task.subject
    clip = torch.from_numpy(load_clip(data, item, subject.frames["s1/test"]))
    with torch.no_grad():
        (logits,) = model(normalised(clip[None])).numpy()
    assert row["clip_id"] == place.clip_id
    np.testing.assert_allclose(np.asarray(row["logits"]), logits, atol=1e-4)


@pytest.mark.slow
def test_a_killed_worker_of_an_elastic_group_changes_no_metric(by_two: Plan, data: Storage, tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    plan = with_model(tiny_plan(data, tmp_path), lambda build: partial(Fragile, build, marker))
    trained(plan, 2, fewest=1)
    assert marker.exists()
    pd.testing.assert_frame_equal(epochs_of(plan), epochs_of(by_two), rtol=1e-4)


class Breaking(nn.Module):
    """Raises in its tenth training step, once."""

    def __init__(self, build: Builder, marker: Path) -> None:
        super().__init__()
        self.inner = build()
        self.marker = marker
        self.steps = 0

    def forward(self, clips: Tensor) -> Tensor:
        self.steps += self.training
        if self.steps == 10 and not self.marker.exists():
            self.marker.touch()
            raise ConnectionError("once")
        return self.inner(clips)


@pytest.mark.slow
def test_going_on_from_an_epochs_checkpoint_changes_no_bit(data: Storage, tmp_path: Path) -> None:
    """One worker, in the trial's own process; the second attempt begins with the epoch of the tenth step."""
    marker = tmp_path / "broken"
    broken = with_model(tiny_plan(data, tmp_path / "a"), lambda build: partial(Breaking, build, marker))
    quiet = with_model(tiny_plan(data, tmp_path / "b"), lambda build: partial(Inside, build))
    assert trained(broken, 1).attempt == 2
    assert marker.exists()
    trained(quiet, 1)
    pd.testing.assert_frame_equal(epochs_of(broken), epochs_of(quiet), check_exact=True)


class Inside(nn.Module):
    """The model as ``Breaking`` has it."""

    def __init__(self, build: Builder) -> None:
        super().__init__()
        self.inner = build()

    def forward(self, clips: Tensor) -> Tensor:
        return self.inner(clips)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "fewest"), [(4, None), (3, None), (4, 2)])
def test_more_workers_and_an_elastic_group_train_alike(
    workers: int, fewest: int | None, by_two: Plan, data: Storage, tmp_path: Path
) -> None:
    plan = tiny_plan(data, tmp_path)
    trained(plan, workers, fewest)
    for name in ("train_loss", "val_loss"):
        assert epochs_of(plan)[name].tolist() == pytest.approx(epochs_of(by_two)[name].tolist(), rel=1e-4)
