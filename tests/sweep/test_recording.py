"""What becomes of a training in its record."""

from pathlib import Path

import pytest
import torch

from rac_ray.data.feed import Place
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Record, read_record
from rac_ray.store.storage import Storage
from rac_ray.sweep.job import Job, Setting
from rac_ray.sweep.recording import content_of, trained_record
from rac_ray.training.fit import Fit
from rac_ray.training.task import Task
from tests.records import asking, chosen

TOP1 = [0.2, 0.5, 0.4, 0.7]


def test_pixels_are_those_of_the_evaluations_where_they_were_counted(make_task) -> None:
    counted = {"mnist/test": "m", "2dot/val": "v", "5dot/test": "5"}
    assert content_of(make_task(), counted) == {"2dot/val": "v", "mnist/test": "m"}
    assert content_of(make_task(), {}) == {}


def trained(task: Task, folder: Path, **setting: object) -> Record:
    """The record of four epochs of TOP1 whose third came to 0.4."""
    rows = [{"epoch": epoch, "val_top1": top1} for epoch, top1 in enumerate(TOP1)]
    kept = {1: 0.5, 2: 0.4} if task.selection.levels else {}
    result = Fit(torch.nn.Linear(1, 1), rows, 3, 0.7, 17, kept, 0.5)
    about = Setting(Ledger(Storage.at(folder)), "driver", "tiny", **setting)  # type: ignore[arg-type]
    return trained_record(Job(task, 2, about, "here", 0.0), Place(), result, {"training": 9.0, "total": 12.0})


def test_a_record_says_what_was_trained_and_has_no_evaluations_yet(make_task, tmp_path: Path) -> None:
    task = make_task()
    content = {"2dot/train": "t", "2dot/val": "v", "mnist/test": "m"}
    contents = {"2dot": content, "2dot spec=paper": {"2dot/train": "p", "2dot/val": "p"}}
    record = trained(task, tmp_path, content=contents, workers=(1, 3), versions={"torch": "2"}, commit="abc")
    assert read_record(record.as_json()) == record
    assert record.training() == task.training
    assert (record.best_epoch, record.best_val_top1, record.epochs, record.parameters) == (3, 0.7, 4, 17)
    assert chosen(record) == [(None, 3, 0.7, True)]
    assert (record.evaluations, record.kept) == ([], [])
    assert record.content == {"2dot/train": "t", "2dot/val": "v"}, "of the parts that it was trained on"
    assert (record.study, record.attempt, record.workers, record.commit) == ("tiny", 2, 3, "abc")
    assert record.cuda_graphs is False
    assert task.outstanding(record) == {3: list(task.evaluations)}


def test_levels_of_a_record_are_the_nearest_of_the_kept(make_task, tmp_path: Path) -> None:
    record = trained(asking(make_task(), 0.41, 0.9), tmp_path, cuda_graphs=True)
    assert chosen(record) == [(0.41, 2, 0.4, True), (0.9, 1, 0.5, False)]
    assert record.kept == [(1, 0.5), (2, 0.4)]
    assert [trial.level for trial in record.trials] == [0.41, 0.9]
    assert record.cuda_graphs is False, "there are none on a CPU"
    assert record.peak_bytes > 10_000_000


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (4, 4), ((2, 5), 5)])
def test_workers_are_the_most_that_a_group_has(
    workers: int | tuple[int, int], most: int, make_task, tmp_path: Path
) -> None:
    assert trained(make_task(), tmp_path, workers=workers).workers == most
