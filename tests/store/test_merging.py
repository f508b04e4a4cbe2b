"""Sweeps of two machines become one: what is finished comes in, is checked, and changes nothing that is here."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rac_ray.identity import Evaluation, Training
from rac_ray.store.files import PREDICTIONS, RECORD
from rac_ray.store.ledger import Ledger
from rac_ray.store.merging import Merged, merge
from rac_ray.store.record import Checkpoint, Named, Record, evaluated
from rac_ray.store.storage import Storage
from rac_ray.training.task import Task
from tests.records import CLIPS, EPOCH, ROLES, give_up, record_of, register, task_of, written

STUDY = "ts_grid"


@pytest.fixture
def here(tmp_path: Path) -> Ledger:
    return Ledger(Storage.at(tmp_path / "here" / STUDY))


@pytest.fixture
def there(tmp_path: Path) -> Ledger:
    return Ledger(Storage.at(tmp_path / "there" / STUDY))


@pytest.fixture
def make_task(make_training: Callable[..., Training]) -> Callable[[int], Task]:
    return lambda seed: task_of(make_training(seed=seed))


def finish(ledger: Ledger, task: Task, top1: dict[str, float] | None = None) -> Record:
    register(ledger, [task])
    return written(ledger, record_of(task, top1))


def files(ledger: Ledger) -> dict[str, bytes]:
    return ledger.storage.read_all(ledger.storage.sizes())


def test_finished_trainings_come_with_all_their_files(here: Ledger, there: Ledger, make_task) -> None:
    mine, theirs, unfinished = (make_task(seed) for seed in (0, 1, 2))
    finish(here, mine)
    finish(there, theirs)
    register(there, [unfinished])
    give_up(there, unfinished.training_id)
    before = files(here)
    assert merge(here, there, STUDY) == Merged((theirs.training_id,), {}, (), {}, {})
    assert before.items() <= files(here).items()
    assert here.training_ids() == sorted([mine.training_id, theirs.training_id])
    assert here.scan([theirs])[theirs.training_id].done
    both = [f"trials/{theirs.training_id}/{name}" for name in there.folder(theirs.training_id).names()]
    assert {name: files(here)[name] for name in both} == {name: files(there)[name] for name in both}


def test_twice_is_as_once(here: Ledger, there: Ledger, make_task) -> None:
    task = make_task(1)
    finish(there, task)
    merge(here, there, STUDY)
    before = files(here)
    assert merge(here, there, STUDY) == Merged((), {}, (task.training_id,), {}, {})
    assert files(here) == before


def test_an_unfinished_one_is_finished_by_theirs(here: Ledger, there: Ledger, make_task) -> None:
    task = make_task(1)
    register(here, [task])
    give_up(here, task.training_id)
    finish(there, task)
    assert merge(here, there, STUDY).copied == (task.training_id,)
    entry = here.scan([task])[task.training_id]
    assert entry.state(None) == "done"
    assert here.failures(task.training_id)[0]["reason"] == "broken"


def test_evaluations_that_only_theirs_has_are_added(here: Ledger, there: Ledger, make_task) -> None:
    task = make_task(1)
    part = "5dot/test"
    more = Evaluation("5dot", "test", "target", f"content of {part}")
    finish(here, task)
    wider = Task(**{**vars(task), "evaluations": (*task.evaluations, more)})
    finish(there, wider, {part: 0.7})
    merged = merge(here, there, STUDY)
    assert merged == Merged((), {task.training_id: 1}, (), {}, {})
    record = here.record(task.training_id)
    assert record is not None
    assert {each.part: each.correct for each in record.evaluations} == {
        **dict.fromkeys(ROLES, CLIPS // 2),
        part: 70,
    }
    assert here.table(task.training_id, "predictions").num_rows == 4 * CLIPS
    assert here.scan([wider])[task.training_id].done


def test_the_clips_of_added_evaluations_are_told_too(here: Ledger, there: Ledger, make_task) -> None:
    """Of what both tell ours stays, but for parts that theirs was asked about anew, as of the larger mnist/test."""
    task, mine, also, larger = make_task(1), "2dot/test", "5dot/test", "mnist/test"
    written(here, telling(record_of(task), {mine: 100, larger: 50}, "ours"))
    evaluations = [each for each in task.evaluations if each.part != larger]
    evaluations += [Evaluation(domain, "test", "target", "more of it") for domain in ("5dot", "mnist")]
    wider = Task(**{**vars(task), "evaluations": tuple(evaluations)})
    written(there, telling(record_of(wider), {mine: 100, also: 100, larger: 100}, "theirs"))
    assert merge(here, there, STUDY).added == {task.training_id: 2}
    record = here.record(task.training_id)
    assert record is not None
    assert record.content == {mine: "ours", also: "theirs", larger: "theirs"}
    assert record.dataset == {"kind": "shapes", "clips": {mine: 100, also: 100, larger: 100}}
    assert merge(here, there, STUDY).same == (task.training_id,)


def telling(record: Record, clips: dict[str, int], pixels: str) -> Record:
    """A record that says what its clips were made from, and the hash of their pixels."""
    dataset = {"kind": "shapes", "clips": clips}
    return msgspec.structs.replace(record, dataset=dataset, content=dict.fromkeys(clips, pixels))


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({"2dot/val": 0.6}, "best validation top-1 0.5000 here, 0.6000 there"),
        ({"mnist/test": 0.4}, "mnist/test: 50 of 100 clips here, 40 there"),
    ],
)
def test_ours_stays_where_numbers_differ(
    theirs: dict[str, float], said: str, here: Ledger, there: Ledger, make_task
) -> None:
    task = make_task(1)
    finish(here, task)
    finish(there, task, theirs)
    before = files(here)
    assert merge(here, there, STUDY).kept == {task.training_id: said}
    assert files(here) == before


def _other_study(record: Record) -> Record:
    return msgspec.structs.replace(record, study="diving48")


def _other_settings(record: Record) -> Record:
    return msgspec.structs.replace(record, hidden_units=48)


def _better(record: Record) -> Record:
    best = [msgspec.structs.replace(each, correct=99, top1=0.99) for each in record.evaluations]
    return msgspec.structs.replace(record, evaluations=best)


def _other_clips(record: Record) -> Record:
    easier = [msgspec.structs.replace(each, content="easier") for each in record.evaluations]
    return msgspec.structs.replace(record, evaluations=easier)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_study, "it is of the study 'diving48'; valid: 'ts_grid'"),
        (_other_settings, "its settings are those of"),
        (_better, "2dot/val: 99 of 100 clips in its record, 50 of 100 in its predictions"),
        (_other_clips, "is not that of 2dot/val"),
    ],
)
def test_what_is_not_what_it_says_is_refused(
    change: Callable[[Record], Record], said: str, here: Ledger, there: Ledger, make_task
) -> None:
    good, bad = make_task(1), make_task(2)
    finish(there, good)
    record = finish(there, bad)
    there.folder(bad.training_id).write_bytes(RECORD, change(record).as_json())
    merged = merge(here, there, STUDY)
    assert merged.copied == (good.training_id,)
    assert said in merged.refused[bad.training_id]
    assert here.training_ids() == [good.training_id]


@pytest.mark.parametrize("content", [b"", b"PAR1 is not enough"])
def test_a_damaged_one_is_refused_and_replaced_by_a_whole_one(
    content: bytes, here: Ledger, there: Ledger, make_task
) -> None:
    task = make_task(1)
    finish(there, task)
    finish(here, task)
    there.folder(task.training_id).write_bytes(PREDICTIONS, content)
    assert merge(here, there, STUDY).refused[task.training_id].startswith("damaged: predictions.parquet ")
    assert merge(there, here, STUDY).copied == (task.training_id,)
    assert files(there) == files(here)


def test_a_training_without_weights_counts(here: Ledger, there: Ledger, make_task) -> None:
    task = make_task(1)
    finish(there, task)
    there.folder(task.training_id).delete("best.ckpt")
    assert merge(here, there, STUDY).copied == (task.training_id,)
    assert here.scan([task])[task.training_id].done


def with_level(record: Record, epoch: int) -> Record:
    """A record of a training that also kept the checkpoint of an epoch, which was asked about other clips."""
    level, trial = Checkpoint(level=0.4, epoch=epoch, val_top1=0.4), Named(trial_id="0" * 12, level=0.4)
    clips = Evaluation("mnist", "test", "target", "content of mnist/test")
    asked = evaluated(clips, record.training_id, epoch, clips=CLIPS, correct=40, top1=0.4)
    return msgspec.structs.replace(
        record,
        kept=[(epoch, 0.4), (record.best_epoch, record.best_val_top1)],
        selected=[*record.selected, level],
        trials=[*record.trials, trial],
        evaluations=[*record.evaluations, asked],
    )


def test_weights_come_to_a_training_that_has_none(here: Ledger, there: Ledger, make_task) -> None:
    same, wider, ours = (make_task(seed) for seed in (1, 2, 3))
    more = Evaluation("5dot", "test", "target", "more")
    for task in (same, wider, ours):
        finish(here, task)
    for task in (same, Task(**{**vars(wider), "evaluations": (*wider.evaluations, more)}), ours):
        finish(there, task)
        there.folder(task.training_id).write_bytes("best.ckpt", b"theirs")
    for task in (same, wider):
        here.folder(task.training_id).delete("best.ckpt")
    ids = tuple(sorted([same.training_id, wider.training_id]))
    results = {wider.training_id: 1}, tuple(sorted([same.training_id, ours.training_id]))
    assert merge(here, there, STUDY) == Merged((), *results, {}, {}, ids)
    found = {task.training_id: here.folder(task.training_id).read_bytes("best.ckpt") for task in (same, wider, ours)}
    assert found == {same.training_id: b"theirs", wider.training_id: b"theirs", ours.training_id: b"weights"}
    assert merge(here, there, STUDY).weights == ()


def test_weights_of_a_training_that_came_to_something_else_do_not_come(here: Ledger, there: Ledger, make_task) -> None:
    task = make_task(1)
    finish(here, task)
    finish(there, task, {"mnist/test": 0.4})
    here.folder(task.training_id).delete("best.ckpt")
    assert merge(here, there, STUDY).weights == ()
    assert not here.folder(task.training_id).exists("best.ckpt")


@pytest.mark.parametrize("packed", [True, False])
def test_weights_of_levels_come_with_them(packed: bool, here: Ledger, there: Ledger, make_task) -> None:
    """Best weights never stand for those of a level; where these are missing, the best ones do not come either."""
    task = make_task(1)
    finish(here, task)
    here.folder(task.training_id).delete("best.ckpt")
    written(there, with_level(record_of(task), 1))
    if packed:
        there.folder(task.training_id).write_bytes("level-epoch-0001.ckpt", b"of the level")
    there.folder(task.training_id).write_bytes("level-epoch-0003.ckpt", b"as the best ones")
    merged = merge(here, there, STUDY)
    record = here.record(task.training_id)
    assert record is not None
    assert (record.kept, [each.epoch for each in record.selected]) == ([(1, 0.4)], [EPOCH, 1])
    names = [name for name in here.folder(task.training_id).names() if name.endswith(".ckpt")]
    assert (merged.added, merged.weights, names) == (
        {task.training_id: 1},
        (task.training_id,) if packed else (),
        ["best.ckpt", "level-epoch-0001.ckpt"] if packed else [],
    )
