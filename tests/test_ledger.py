from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pytest

from rac_ray.ledger import DRIVER, Ledger
from rac_ray.lock import Lock, holding
from rac_ray.storage import Storage

PREDICTIONS = pa.table({"clip_id": ["a"], "label": [1]})
BROKEN = {"class": "code", "reason": "broken", "traceback": ""}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Storage.at(tmp_path / "ts_grid"))


def finish(ledger: Ledger, trial_id: str) -> None:
    ledger.finish(trial_id, {"trial_id": trial_id}, [{"epoch": 0}], PREDICTIONS, b"weights")


def give_up(ledger: Ledger, trial_id: str, attempt: int = 1) -> None:
    ledger.fail(trial_id, attempt, BROKEN)
    ledger.decide(trial_id, attempt, retry=False)


def test_a_trial_is_in_exactly_one_state(ledger: Ledger, make_trial) -> None:
    trials = [make_trial(seed=seed) for seed in range(6)]
    ledger.register(trials)
    assert set(ledger.states(trials).values()) == {"pending"}
    done, given_up, retried, undecided, running, new = trials
    with holding(ledger.storage, DRIVER) as lock:
        finish(ledger, done.trial_id)
        for trial in (given_up, retried, undecided):
            ledger.begin(trial.trial_id, 1, lock.holder.token)
            ledger.fail(trial.trial_id, 1, BROKEN)
        ledger.decide(given_up.trial_id, 1, retry=False)
        ledger.decide(retried.trial_id, 1, retry=True)
        ledger.begin(running.trial_id, 1, lock.holder.token)
        assert list(ledger.states(trials).values()) == ["done", "failed", "pending", "pending", "running", "pending"]
    assert list(ledger.states(trials).values()) == ["done", "failed", "pending", "pending", "pending", "pending"]
    assert ledger.trial_ids() == sorted(trial.trial_id for trial in trials)
    assert ledger.trial(new.trial_id) == new.as_dict()


def test_a_running_attempt_of_a_dead_driver_is_an_interrupted_one(ledger: Ledger, make_trial) -> None:
    trial = make_trial()
    ledger.register([trial])
    dead = replace(Lock(ledger.storage, DRIVER).holder, process_started="1")
    ledger.storage.write_json(DRIVER, asdict(dead))
    ledger.begin(trial.trial_id, 3, dead.token)
    (entry,) = ledger.scan().values()
    assert entry.state(dead.token) == "running"
    assert entry.state(ledger.driver()) == "pending"
    assert entry.reason(None) == "attempt 3 was interrupted"
    ledger.folder(trial.trial_id).write_bytes("last.ckpt", b"")
    assert ledger.scan()[trial.trial_id].reason(None) == "attempt 3 was interrupted, goes on from its checkpoint"


def test_a_new_attempt_makes_a_given_up_trial_a_running_one(ledger: Ledger, make_trial) -> None:
    trial_id = make_trial().trial_id
    give_up(ledger, trial_id)
    ledger.begin(trial_id, 2, "token")
    (entry,) = ledger.scan([trial_id]).values()
    assert (entry.state("token"), entry.state(None), entry.attempts) == ("running", "pending", 2)


def test_reasons(ledger: Ledger, make_trial) -> None:
    failed, new, done = (make_trial(seed=seed) for seed in range(3))
    ledger.register([new])
    give_up(ledger, failed.trial_id)
    finish(ledger, done.trial_id)
    entries = ledger.scan([failed.trial_id, new.trial_id, done.trial_id, "unknown"])
    assert {trial_id: entry.reason(None) for trial_id, entry in entries.items()} == {
        failed.trial_id: "code: broken",
        new.trial_id: "has not run",
        done.trial_id: "",
        "unknown": "has not run",
    }


def test_the_record_makes_it_done_and_the_running_checkpoint_goes(ledger: Ledger, make_trial) -> None:
    trial = make_trial()
    folder = ledger.folder(trial.trial_id)
    folder.write_bytes("last.ckpt", b"running")
    for name in ("epochs.parquet", "predictions.parquet", "best.ckpt"):
        folder.write_bytes(name, b"")
    assert ledger.states([trial]) == {trial.trial_id: "pending"}
    finish(ledger, trial.trial_id)
    assert ledger.states([trial]) == {trial.trial_id: "done"}
    assert folder.names() == ["best.ckpt", "epochs.parquet", "predictions.parquet", "record.json"]
    assert ledger.table(trial.trial_id, "epochs").to_pylist() == [{"epoch": 0}]
    assert ledger.table(trial.trial_id, "predictions").equals(PREDICTIONS)


def test_of_two_processes_that_finish_a_trial_the_first_counts(ledger: Ledger, make_trial) -> None:
    trial_id = make_trial().trial_id
    finish(ledger, trial_id)
    ledger.finish(trial_id, {"trial_id": "another"}, [{"epoch": 9}], PREDICTIONS, b"others")
    assert ledger.record(trial_id) == {"trial_id": trial_id}
    assert ledger.table(trial_id, "epochs").to_pylist() == [{"epoch": 0}]


def test_failures_are_kept_in_order_and_a_later_success_counts(ledger: Ledger, make_trial) -> None:
    trial = make_trial()
    for attempt, reason in ((1, "first"), (3, "second")):
        ledger.fail(trial.trial_id, attempt, {**BROKEN, "reason": reason})
    ledger.fail(trial.trial_id, 3, {**BROKEN, "reason": "told again by somebody who knows less"})
    assert [failure["reason"] for failure in ledger.failures(trial.trial_id)] == ["first", "second"]
    assert Path(ledger.failure_path(trial.trial_id, 3)).name == "failure-003.json"
    assert ledger.scan()[trial.trial_id].attempts == 3
    assert ledger.failure(trial.trial_id, 2) is None
    finish(ledger, trial.trial_id)
    assert ledger.states([trial]) == {trial.trial_id: "done"}


def test_a_truncated_record_is_no_record(ledger: Ledger, make_trial) -> None:
    trial = make_trial()
    finish(ledger, trial.trial_id)
    ledger.folder(trial.trial_id).write_bytes("record.json", b'{"trial_id": ')
    assert ledger.record(trial.trial_id) is None
    (entry,) = ledger.scan().values()
    assert (entry.state(None), entry.reason(None)) == ("pending", "record.json is not whole; the trial runs again")
    finish(ledger, trial.trial_id)
    assert ledger.states([trial]) == {trial.trial_id: "done"}


def test_registering_again_changes_nothing(ledger: Ledger, make_trial) -> None:
    trial = make_trial()
    ledger.register([trial])
    path = Path(ledger.folder(trial.trial_id).root) / "trial.json"
    before = path.stat().st_mtime_ns
    ledger.register([trial])
    assert path.stat().st_mtime_ns == before
    path.unlink()
    ledger.register([trial])
    assert ledger.trial(trial.trial_id) == trial.as_dict()


def test_finished_trials_of_other_sweeps_are_copied(ledger: Ledger, make_trial, tmp_path: Path) -> None:
    trial_id = make_trial().trial_id
    other = Ledger(Storage.at(tmp_path / "another_sweep"))
    finish(other, trial_id)
    ledger.storage.write_bytes("driver.json", b"")
    Storage.at(tmp_path / "not_a_sweep").write_bytes("file", b"")
    assert ledger.others() == [other]
    ledger.adopt(other, trial_id)
    assert ledger.record(trial_id) == other.record(trial_id)
    assert ledger.table(trial_id, "predictions").equals(PREDICTIONS)
    assert other.others() == [ledger]


def test_the_tail_of_a_log(ledger: Ledger) -> None:
    assert ledger.log_tail("x", 2) == []
    ledger.folder("x").write_bytes("log.txt", b"one\ntwo\nthree\n")
    assert ledger.log_tail("x", 2) == ["two", "three"]
