from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rac_ray.identity import Training, Trial
from rac_ray.results import load
from rac_ray.store.entry import Entry, State, added_up, spoken_of
from rac_ray.store.ledger import DRIVER, Ledger
from rac_ray.store.lock import Lock, holding
from rac_ray.store.parquet import parquet_bytes
from rac_ray.store.record import Checkpoint, named
from rac_ray.store.storage import Storage
from rac_ray.training.task import Task
from tests.records import CLIPS, Living, moving_on, record_of, written
from tests.results.conftest import task_of

BROKEN = {"class": "code", "reason": "broken", "traceback": ""}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Storage.at(tmp_path / "ts_grid"))


@pytest.fixture
def make_task(make_training):
    """Tasks by seed."""

    def make(seed: int = 0) -> Task:
        return task_of(Trial(make_training(seed=seed)))

    return make


def register(ledger: Ledger, tasks: list[Task]) -> None:
    ledger.register(tasks, ledger.scan(tasks), "ts_grid")


def states(ledger: Ledger, tasks: list[Task]) -> list[State]:
    driver = ledger.driver()
    return [entry.state(driver) for entry in ledger.scan(tasks).values()]


def said(*evaluation_ids: str) -> pa.Table:
    """CLIPS clips of each evaluation, all said to be of class 1."""
    rows = CLIPS * len(evaluation_ids)
    text, number = ["a"] * rows, [1] * rows
    columns = {"target": text, "split": text, "clip_id": text, "label": number, "predicted": number}
    return pa.table({"evaluation_id": pa.array(np.repeat(evaluation_ids, CLIPS), pa.string()), **columns})


def finish(ledger: Ledger, task: Task) -> None:
    """As an attempt does: the training first, then its evaluations."""
    record = record_of(task)
    ledger.trained(msgspec.structs.replace(record, evaluations=[]), [{"epoch": 0, "val_top1": 0.5}], b"weights")
    ledger.evaluated(record, said(*(each.evaluation_id for each in record.evaluations)))


def give_up(ledger: Ledger, training_id: str, attempt: int = 1) -> None:
    ledger.fail(training_id, attempt, BROKEN)
    ledger.decide(training_id, attempt, retry=False)


def test_a_training_is_in_exactly_one_state(ledger: Ledger, make_task) -> None:
    tasks = [make_task(seed) for seed in range(6)]
    register(ledger, tasks)
    assert set(states(ledger, tasks)) == {"pending"}
    done, given_up, retried, undecided, running, new = (task.training_id for task in tasks)
    with holding(ledger.storage, DRIVER) as lock:
        finish(ledger, tasks[0])
        for training_id in (given_up, retried, undecided):
            ledger.begin(training_id, 1, lock.holder.token)
            ledger.fail(training_id, 1, BROKEN)
        ledger.decide(given_up, 1, retry=False)
        ledger.decide(retried, 1, retry=True)
        ledger.begin(running, 1, lock.holder.token)
        assert states(ledger, tasks) == ["done", "failed", "pending", "pending", "running", "pending"]
    assert states(ledger, tasks) == ["done", "failed", "pending", "pending", "pending", "pending"]
    assert ledger.training_ids() == sorted([done, given_up, retried, undecided, running, new])
    written = ledger.trial(new)
    assert written["study"] == "ts_grid"
    assert Training.from_dict(written) == tasks[-1].training
    assert [trial["trial_id"] for trial in written["trials"]] == [new]


def test_a_running_attempt_of_a_dead_driver_is_an_interrupted_one(ledger: Ledger, make_task) -> None:
    task = make_task()
    register(ledger, [task])
    dead = replace(Lock(ledger.storage, DRIVER).holder, process_started="1")
    ledger.storage.write_json(DRIVER, asdict(dead))
    ledger.begin(task.training_id, 3, dead.token)
    (entry,) = ledger.scan().values()
    assert entry.state(dead.token) == "running"
    assert entry.state(ledger.driver()) == "pending"
    assert entry.reason(None) == "attempt 3 was interrupted"
    ledger.folder(task.training_id).write_bytes("last.ckpt", b"")
    assert ledger.scan()[task.training_id].reason(None) == "attempt 3 was interrupted, goes on from its checkpoint"


def test_a_new_attempt_makes_a_given_up_training_a_running_one(ledger: Ledger, make_task) -> None:
    task = make_task()
    give_up(ledger, task.training_id)
    ledger.begin(task.training_id, 2, "token")
    (entry,) = ledger.scan([task]).values()
    assert (entry.state("token"), entry.state(None), entry.attempts) == ("running", "pending", 2)


def test_reasons(ledger: Ledger, make_task) -> None:
    failed, new, done, unknown = tasks = [make_task(seed) for seed in range(4)]
    register(ledger, [new])
    give_up(ledger, failed.training_id)
    finish(ledger, done)
    entries = ledger.scan(tasks)
    assert {training_id: entry.reason(None) for training_id, entry in entries.items()} == {
        failed.training_id: "code: broken",
        new.training_id: "has not run",
        done.training_id: "",
        unknown.training_id: "has not run",
    }


def test_a_trained_one_waits_for_its_evaluations(ledger: Ledger, make_task) -> None:
    task = make_task()
    folder = ledger.folder(task.training_id)
    folder.write_bytes("last.ckpt", b"running")
    record = record_of(task)
    ledger.trained(msgspec.structs.replace(record, evaluations=[]), [{"epoch": 0, "val_top1": 0.5}], b"weights")
    assert folder.names() == ["best.ckpt", "epochs.parquet", "record.json"]
    (entry,) = ledger.scan([task]).values()
    count = len(task.evaluations)
    assert (entry.state(None), entry.outstanding) == ("pending", count)
    assert entry.reason(None) == f"trained; {count} evaluations are missing"
    assert states(ledger, [task]) == [entry.state(None) for entry in ledger.scan().values()] == ["pending"]
    ledger.evaluated(record, said(*(each.evaluation_id for each in record.evaluations)))
    assert states(ledger, [task]) == [entry.state(None) for entry in ledger.scan().values()] == ["done"]
    assert folder.names() == ["best.ckpt", "epochs.parquet", "predictions.parquet", "record.json"]
    assert ledger.table(task.training_id, "epochs").to_pylist() == [{"epoch": 0, "val_top1": 0.5}]


def test_another_domain_is_outstanding_and_older_predictions_stay(ledger: Ledger, make_task) -> None:
    task = make_task()
    finish(ledger, task)
    more = replace(task.evaluations[-1], target="another", content="new")
    wider = replace(task, evaluations=(*task.evaluations, more))
    assert ledger.scan([wider])[task.training_id].outstanding == 1
    assert ledger.scan([task])[task.training_id].outstanding == 0
    before = ledger.table(task.training_id, "predictions")
    ledger.evaluated(record_of(wider), said(more.evaluation_id(task.training_id, 3)))
    table = ledger.table(task.training_id, "predictions")
    assert table.slice(0, len(before)).equals(before)
    assert len(table) == len(before) + CLIPS
    assert states(ledger, [wider]) == ["done"]


def test_predictions_of_which_no_record_tells_are_replaced(ledger: Ledger, make_task) -> None:
    task = make_task()
    record = record_of(task)
    ids = [each.evaluation_id for each in record.evaluations]
    ledger.trained(msgspec.structs.replace(record, evaluations=[]), [{"epoch": 0, "val_top1": 0.5}], b"weights")
    stale = said(*ids).set_column(5, "predicted", pa.array([3] * CLIPS * len(ids)))
    ledger.folder(task.training_id).write_bytes("predictions.parquet", parquet_bytes(stale))
    ledger.evaluated(record, said(*ids))
    assert ledger.table(task.training_id, "predictions")["predicted"].to_pylist() == [1] * CLIPS * len(ids)


def test_a_level_that_was_not_reached_is_a_state_of_its_trial(ledger: Ledger, make_task) -> None:
    task = make_task()
    low, high = (Trial(task.training, experiment, level) for experiment, level in (("a", 0.3), ("b", 0.9)))
    task = replace(task, trials=(low, high))
    selected = [
        Checkpoint(level=0.3, epoch=3, val_top1=0.3),
        Checkpoint(level=0.9, epoch=3, val_top1=0.3, reached=False),
    ]
    finish(ledger, task)
    record = record_of(task, selected=selected, trials=[named(low)], best_val_top1=0.3)
    ledger.folder(task.training_id).write_bytes("record.json", record.as_json())
    entry = ledger.scan([task])[task.training_id]
    assert [entry.state_of(trial, None) for trial in (low, high)] == ["done", "unreached"]
    assert entry.reason_of(high, None) == "never reached a validation top-1 of 0.9: 0.3000 at best"
    register(ledger, [task])
    found = ledger.record(task.training_id)
    assert found
    assert [trial.experiment for trial in found.trials] == ["a", "b"], "it does not vanish from a folder's results"


def test_unreached_is_spoken_of_where_a_trial_is() -> None:
    counts: dict[State, int] = {"done": 3, "unreached": 0, "failed": 1, "running": 0, "pending": 0}
    assert added_up(counts) == "3 done + 1 failed + 0 running + 0 pending"
    assert list(spoken_of({**counts, "unreached": 2})) == ["done", "unreached", "failed", "running", "pending"]


def test_of_two_processes_that_finish_a_training_the_first_counts(ledger: Ledger, make_task) -> None:
    task = make_task()
    finish(ledger, task)
    before = ledger.record(task.training_id)
    ledger.trained(record_of(task, host="another"), [{"epoch": 9, "val_top1": 0.5}], b"others")
    assert ledger.record(task.training_id) == before
    assert ledger.table(task.training_id, "epochs").to_pylist() == [{"epoch": 0, "val_top1": 0.5}]


def test_new_weights_void_what_the_old_ones_said(ledger: Ledger, make_task) -> None:
    task = make_task()
    finish(ledger, task)
    folder = ledger.folder(task.training_id)
    folder.delete("best.ckpt")
    ledger.trained(record_of(task, evaluations=[]), [{"epoch": 9, "val_top1": 0.5}], b"new")
    assert folder.names() == ["best.ckpt", "epochs.parquet", "record.json"]
    assert states(ledger, [task]) == ["pending"]


def test_failures_are_kept_in_order_and_a_later_success_counts(ledger: Ledger, make_task) -> None:
    task = make_task()
    training_id = task.training_id
    for attempt, reason in ((1, "first"), (3, "second")):
        ledger.fail(training_id, attempt, {**BROKEN, "reason": reason})
    ledger.fail(training_id, 3, {**BROKEN, "reason": "told again by somebody who knows less"})
    assert [failure["reason"] for failure in ledger.failures(training_id)] == ["first", "second"]
    assert Path(ledger.failure_path(training_id, 3)).name == "failure-003.json"
    assert ledger.scan()[training_id].attempts == 3
    assert ledger.failure(training_id, 2) is None
    finish(ledger, task)
    assert states(ledger, [task]) == ["done"]


def test_a_truncated_record_is_no_record(ledger: Ledger, make_task) -> None:
    task = make_task()
    finish(ledger, task)
    ledger.folder(task.training_id).write_bytes("record.json", b'{"trial_id": ')
    assert ledger.record(task.training_id) is None
    (entry,) = ledger.scan().values()
    assert (entry.state(None), entry.reason(None)) == ("pending", "record.json is not whole; the trial runs again")
    finish(ledger, task)
    assert states(ledger, [task]) == ["done"]


GARBAGE = [b"", b"{}", b"[]", b"null", b'"x"', b'{"attempt": "1"}', b"\xff\x00", b"[" * 100_000, b'{"attempt": NaN}']


@pytest.mark.parametrize("name", ["attempt.json", "failure-001.json", "record.json"])
@pytest.mark.parametrize("content", GARBAGE, ids=range(len(GARBAGE)))
def test_a_file_that_is_anything_else_does_not_count(name: str, content: bytes, ledger: Ledger, make_task) -> None:
    task = make_task()
    register(ledger, [task])
    ledger.folder(task.training_id).write_bytes(name, content)
    for entry in (ledger.scan([task])[task.training_id], ledger.entry(task.training_id)):
        assert (entry.state(None), entry.attempts, entry.attempt, entry.failures) == ("pending", 0, None, ())
    assert ledger.failure(task.training_id, 1) is None
    ledger.fail(task.training_id, 1, BROKEN)
    assert [failure["attempt"] for failure in ledger.failures(task.training_id)] == [1]


@pytest.mark.parametrize(
    "change",
    [{"attempt": 0}, {"attempt": 2**64}, {"log_tail": 7}, {"log_tail": [7]}, {"retry": []}, {"host": {}}],
    ids=str,
)
def test_a_failure_with_a_value_that_none_has_does_not_count(change: dict, ledger: Ledger, make_task) -> None:
    task = make_task()
    register(ledger, [task])
    ledger.folder(task.training_id).write_json("failure-001.json", {**BROKEN, "attempt": 1, **change})
    assert ledger.failures(task.training_id) == []
    ledger.folder(task.training_id).write_json("failure-001.json", {**BROKEN, "attempt": 1, "more": [{}]})
    assert [failure["more"] for failure in ledger.failures(task.training_id)] == [[{}]]


def test_damage_in_the_middle_of_a_table_shows_where_tables_are_read(ledger: Ledger, make_task) -> None:
    task = make_task()
    finish(ledger, task)
    folder = ledger.folder(task.training_id)
    content = bytearray(folder.read_bytes("predictions.parquet"))
    content[100:140] = bytes(40)
    folder.write_bytes("predictions.parquet", bytes(content))
    assert ledger.scan([task], whole=False)[task.training_id].done
    for whole in (True, None):  # None: they are few and on a disk
        entry = ledger.scan([task], whole)[task.training_id]
        assert (entry.state(None), entry.damaged[:33]) == ("failed", "predictions.parquet cannot be rea")


def test_registering_again_changes_nothing(ledger: Ledger, make_task) -> None:
    task = make_task()
    register(ledger, [task])
    path = Path(ledger.folder(task.training_id).root) / "trial.json"
    before = path.stat().st_mtime_ns
    register(ledger, [task])
    assert path.stat().st_mtime_ns == before
    path.unlink()
    register(ledger, [task])
    assert Training.from_dict(ledger.trial(task.training_id)) == task.training


def test_a_trial_that_a_later_plan_asks_of_a_training_is_written_down_too(ledger: Ledger, make_task) -> None:
    """So that it does not vanish from a folder's results while the training fails."""
    task = make_task()
    first, second = (Trial(task.training, name, level) for name, level in (("a", 0.3), ("b", 0.9)))
    register(ledger, [replace(task, trials=(first,))])
    register(ledger, [replace(task, trials=(second,))])
    give_up(ledger, task.training_id)
    told = load(ledger.storage.root).trials
    assert told[["trial_id", "state"]].to_numpy().tolist() == [[first.trial_id, "failed"], [second.trial_id, "failed"]]


def test_finished_trainings_of_other_sweeps_are_copied(ledger: Ledger, make_task, tmp_path: Path) -> None:
    task = make_task()
    training_id = task.training_id
    other = Ledger(Storage.at(tmp_path / "another_sweep"))
    give_up(other, training_id)
    other.begin(training_id, 2, "token")
    finish(other, task)
    other.folder(training_id).write_bytes("level-epoch-0003.ckpt", b"kept")
    ledger.storage.write_json("driver.json", {})
    Storage.at(tmp_path / "not_a_sweep").write_bytes("file", b"")
    assert ledger.others() == [other]
    ledger.adopt(other, training_id)
    assert ledger.record(training_id) == other.record(training_id)
    assert ledger.table(training_id, "predictions").equals(other.table(training_id, "predictions"))
    names = ledger.folder(training_id).names()
    assert names == ["best.ckpt", "epochs.parquet", "level-epoch-0003.ckpt", "predictions.parquet", "record.json"]
    assert other.others() == [ledger]


@pytest.mark.parametrize(("known", "when"), [(1, "after"), (1, "before"), (0, "before")])
def test_a_training_whose_sweep_goes_on_meanwhile_is_copied_whole(
    known: int, when: str, ledger: Ledger, make_task, tmp_path: Path
) -> None:
    """The tables may tell of more than the record, and never of less."""
    whole, other = record_of(make_task()), Ledger(Storage.at(tmp_path / "another_sweep"))
    part = msgspec.structs.replace(whole, evaluations=whole.evaluations[:known])
    written(other, part)
    file = "predictions.parquet" if when == "after" else "record.json"
    ledger.adopt(moving_on(other, whole, **{when: file}), whole.training_id)
    assert ledger.record(whole.training_id) == (part if when == "after" else whole)
    assert isinstance(ledger.read_tables(ledger.records([whole.training_id])[whole.training_id]), dict)


def test_the_record_that_was_checked_is_the_one_that_comes(ledger: Ledger, make_task, tmp_path: Path) -> None:
    whole, other = record_of(make_task()), Ledger(Storage.at(tmp_path / "another_sweep"))
    part = msgspec.structs.replace(whole, evaluations=whole.evaluations[:1])
    written(other, part)
    ledger.adopt(moving_on(other, whole, before="record.json"), whole.training_id, part)
    assert ledger.record(whole.training_id) == part
    assert other.record(whole.training_id) == whole
    assert ledger.entry(whole.training_id).done


def test_our_weights_do_not_stand_beside_their_record(ledger: Ledger, make_task, tmp_path: Path) -> None:
    """Ours are of another training of the same id, wherever the copy ends."""
    theirs, other = record_of(make_task()), Ledger(Storage.at(tmp_path / "another_sweep"))
    training_id = theirs.training_id
    written(other, theirs)
    other.folder(training_id).delete("best.ckpt")
    written(ledger, msgspec.structs.replace(theirs, best_epoch=1))
    ours = ledger.folder(training_id)
    for name, content in (("predictions.parquet", b"junk"), ("level-epoch-0003.ckpt", b"x"), ("log.txt", b"ours")):
        ours.write_bytes(name, content)

    def full_disk(name: str, read: Callable[[], bytes]) -> bytes:
        if name == "predictions.parquet":
            raise OSError("full")
        return read()

    with pytest.raises(OSError, match="full"):
        ledger.adopt(Ledger(Living(other.storage.root, reading=full_disk)), training_id, theirs)
    assert ours.names() == ["epochs.parquet", "log.txt", "predictions.parquet"]
    ledger.adopt(other, training_id, theirs)
    assert ours.names() == ["epochs.parquet", "log.txt", "predictions.parquet", "record.json"]
    assert ledger.record(training_id) == theirs


def test_the_tail_of_a_log(ledger: Ledger) -> None:
    assert ledger.log_tail("x", 2) == []
    ledger.folder("x").write_bytes("log.txt", b"one\ntwo\nthree\n")
    assert ledger.log_tail("x", 2) == ["two", "three"]
    ledger.folder("x").write_bytes("log.txt", b"one\nt\xffo\n")
    assert ledger.log_tail("x", 1) == ["t\ufffdo"]


def test_one_training_alone_is_what_the_scan_says_of_it(tmp_path: Path, make_task: Callable[..., Task]) -> None:
    ledger, task = Ledger(Storage.at(tmp_path)), make_task()
    assert ledger.entry(task.training_id) == Entry(task.training_id, {}, None)
    register(ledger, [task])
    ledger.begin(task.training_id, 1, "driver")
    give_up(ledger, task.training_id)
    assert ledger.entry(task.training_id) == ledger.scan()[task.training_id]
    ledger.trained(record_of(task, evaluations=[]), [{"epoch": 0, "val_top1": 0.5}], b"weights")
    found = ledger.entry(task.training_id)
    assert found == ledger.scan()[task.training_id]
    assert (found.outstanding, found.done) == (1, False)
