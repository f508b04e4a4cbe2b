"""What can go, and that nothing else does."""

from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.store.cleaning import leftovers, remove
from rac_ray.store.ledger import DRIVER, Ledger
from rac_ray.store.lock import holding
from rac_ray.store.storage import Storage
from tests.records import finish, give_up, register


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Storage.at(tmp_path / "ts_grid"))


def test_leftovers_go_and_results_stay(ledger: Ledger, make_task) -> None:
    tasks = [make_task(seed=seed) for seed in range(3)]
    done, failed, interrupted = (task.training_id for task in tasks)
    register(ledger, tasks)
    finish(ledger, tasks[0])
    for training_id in (done, failed, interrupted):
        ledger.folder(training_id).write_bytes("last.ckpt", b"running")
    give_up(ledger, failed)
    Path(ledger.folder(done).root, "best.ckpt.tmp-0123abcd").write_bytes(b"half a file")

    found = leftovers(ledger, ledger.scan())
    assert found == {
        f"trials/{done}/best.ckpt.tmp-0123abcd": 11,
        f"trials/{done}/last.ckpt": 7,
        f"trials/{failed}/last.ckpt": 7,
    }
    assert leftovers(ledger, ledger.scan()) == found, "looking deletes nothing"
    assert remove(ledger, found) == 25
    assert leftovers(ledger, ledger.scan()) == {}
    assert ledger.folder(interrupted).exists("last.ckpt")
    assert ledger.scan()[done].record

    found = leftovers(ledger, ledger.scan(), best_checkpoints=True)
    assert list(found) == [f"trials/{done}/best.ckpt"]
    remove(ledger, found)
    assert ledger.scan(tasks[:1])[done].state(None) == "done"


def test_checkpoints_of_levels_stay_while_a_training_may_go_on(ledger: Ledger, make_task) -> None:
    """Those of one that was given up go; those of a finished one are its weights."""
    tasks = [make_task(seed=seed) for seed in range(3)]
    done, failed, interrupted = (task.training_id for task in tasks)
    register(ledger, tasks)
    finish(ledger, tasks[0])
    give_up(ledger, failed)
    for training_id in (done, failed, interrupted):
        ledger.folder(training_id).write_bytes("level-epoch-3.ckpt", b"level")
    assert list(leftovers(ledger, ledger.scan())) == [f"trials/{failed}/level-epoch-3.ckpt"]
    weights = {f"trials/{done}/best.ckpt", f"trials/{done}/level-epoch-3.ckpt"}
    assert weights < set(leftovers(ledger, ledger.scan(), best_checkpoints=True))


def test_levels_of_a_training_whose_table_is_damaged_stay(ledger: Ledger, make_task) -> None:
    """It is only evaluated again, with these weights."""
    task = make_task()
    register(ledger, [task])
    finish(ledger, task)
    folder = ledger.folder(task.training_id)
    folder.write_bytes("level-epoch-3.ckpt", b"level")
    folder.write_bytes("predictions.parquet", folder.read_bytes("predictions.parquet")[:100])
    entries = ledger.scan([task])
    assert entries[task.training_id].state(None) == "failed"
    assert leftovers(ledger, entries) == {}


def test_nothing_is_cleaned_below_a_living_driver(ledger: Ledger) -> None:
    with holding(ledger.storage, DRIVER), pytest.raises(BadInput, match=r"has a running driver; `cancel` it first"):
        leftovers(ledger, {})
