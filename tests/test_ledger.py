from pathlib import Path

import pyarrow as pa
import pytest

from rac_ray.ledger import Ledger
from rac_ray.storage import Storage

PREDICTIONS = pa.table({"clip_id": ["a"], "label": [1]})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Storage.at(tmp_path / "ts_grid"))


def finish(ledger: Ledger, trial_id: str) -> None:
    ledger.finish(trial_id, {"trial_id": trial_id}, [{"epoch": 0}], PREDICTIONS, b"weights")


def test_a_trial_is_pending_failed_or_done(ledger: Ledger, make_trial) -> None:
    trials = [make_trial(seed=seed) for seed in range(3)]
    ledger.register(trials)
    assert set(ledger.states(trials).values()) == {"pending"}
    finish(ledger, trials[0].trial_id)
    ledger.fail(trials[1].trial_id, {"class": "code", "reason": "broken"})
    assert list(ledger.states(trials).values()) == ["done", "failed", "pending"]
    assert ledger.trial_ids() == sorted(trial.trial_id for trial in trials)
    assert ledger.trial(trials[2].trial_id) == trials[2].as_dict()


def test_the_record_makes_it_done_and_the_running_checkpoint_goes(ledger: Ledger, make_trial) -> None:
    trial_id = make_trial().trial_id
    folder = ledger.folder(trial_id)
    folder.write_bytes("last.ckpt", b"running")
    for name in ("epochs.parquet", "predictions.parquet", "best.ckpt"):
        folder.write_bytes(name, b"")
    assert ledger.state(trial_id) == "pending"
    finish(ledger, trial_id)
    assert ledger.state(trial_id) == "done"
    assert folder.names() == ["best.ckpt", "epochs.parquet", "predictions.parquet", "record.json"]
    assert ledger.table(trial_id, "epochs").to_pylist() == [{"epoch": 0}]
    assert ledger.table(trial_id, "predictions").equals(PREDICTIONS)


def test_failures_are_kept_in_order_and_a_later_success_counts(ledger: Ledger, make_trial) -> None:
    trial_id = make_trial().trial_id
    paths = [ledger.fail(trial_id, {"reason": reason}) for reason in ("first", "second")]
    assert [Path(path).name for path in paths] == ["failure-001.json", "failure-002.json"]
    assert [failure["reason"] for failure in ledger.failures(trial_id)] == ["first", "second"]
    finish(ledger, trial_id)
    assert ledger.state(trial_id) == "done"


def test_a_truncated_record_is_no_record(ledger: Ledger, make_trial) -> None:
    trial_id = make_trial().trial_id
    finish(ledger, trial_id)
    ledger.folder(trial_id).write_bytes("record.json", b'{"trial_id": ')
    assert ledger.record(trial_id) is None
    assert ledger.state(trial_id) == "pending"


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
