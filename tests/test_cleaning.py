"""What can go, and that nothing else does."""

from pathlib import Path

import pytest

from rac_ray.cleaning import leftovers, remove
from rac_ray.errors import BadInput
from rac_ray.ledger import DRIVER, Ledger
from rac_ray.lock import holding
from rac_ray.storage import Storage
from tests.test_ledger import finish


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Storage.at(tmp_path / "ts_grid"))


def test_leftovers_go_and_results_stay(ledger: Ledger, make_trial) -> None:
    done, failed, interrupted = (make_trial(seed=seed) for seed in range(3))
    ledger.register([done, failed, interrupted])
    finish(ledger, done.trial_id)
    for trial in (done, failed, interrupted):
        ledger.folder(trial.trial_id).write_bytes("last.ckpt", b"running")
    ledger.fail(failed.trial_id, 1, {"class": "code", "reason": "broken", "traceback": ""})
    ledger.decide(failed.trial_id, 1, retry=False)
    Path(ledger.folder(done.trial_id).root, "best.ckpt.tmp-0123abcd").write_bytes(b"half a file")

    found = leftovers(ledger, ledger.scan())
    assert found == {
        f"trials/{done.trial_id}/best.ckpt.tmp-0123abcd": 11,
        f"trials/{done.trial_id}/last.ckpt": 7,
        f"trials/{failed.trial_id}/last.ckpt": 7,
    }
    assert leftovers(ledger, ledger.scan()) == found, "looking deletes nothing"
    assert remove(ledger, found) == 25
    assert leftovers(ledger, ledger.scan()) == {}
    assert ledger.folder(interrupted.trial_id).exists("last.ckpt")
    assert ledger.scan()[done.trial_id].record

    found = leftovers(ledger, ledger.scan(), best_checkpoints=True)
    assert list(found) == [f"trials/{done.trial_id}/best.ckpt"]
    remove(ledger, found)
    assert ledger.states([done]) == {done.trial_id: "done"}


def test_nothing_is_cleaned_below_a_living_driver(ledger: Ledger) -> None:
    with holding(ledger.storage, DRIVER), pytest.raises(BadInput, match=r"has a running driver; `cancel` it first"):
        leftovers(ledger, {})
