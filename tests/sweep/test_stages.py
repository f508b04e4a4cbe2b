"""What a record tells after a further plan has asked its training about other domains."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from rac_ray.data.feed import Place
from rac_ray.identity import Trial
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Checkpoint
from rac_ray.store.storage import Storage
from rac_ray.sweep.follow import RESUMED, WHOSE
from rac_ray.sweep.job import Job, Setting
from rac_ray.sweep.stages import Group, evaluate_all, record_with_weights, resumer
from tests.records import record_of, task_of, written


def test_the_parts_of_an_earlier_plan_stay_in_what_the_clips_were_made_from(tmp_path: Path, make_training) -> None:
    """Nothing is outstanding here, so that no clip is looked at."""
    task, ledger = task_of(make_training()), Ledger(Storage.at(tmp_path))
    earlier, later = {"2dot/val": 100, "5dot/test": 90}, {"2dot/val": 100, "mnist/test": 100}
    record = msgspec.structs.replace(record_of(task), dataset={"kind": "shapes", "clips": earlier})
    written(ledger, record)
    setting = Setting(ledger, "token", "ts_grid")
    job = Job(task, 1, setting, "here", 0.0, made_from={"kind": "shapes", "clips": later})
    evaluate_all(job, Group(Place(), lambda _: None), cast(Any, None), record, lambda: None)
    found = ledger.record(task.training_id)
    assert found is not None
    assert found.dataset == {"kind": "shapes", "clips": {"2dot/val": 100, "5dot/test": 90, "mnist/test": 100}}


@pytest.mark.parametrize("gone", ["best.ckpt", "level-epoch-0003.ckpt", ""])
def test_a_training_is_only_evaluated_where_it_has_all_weights_that_are_asked(
    gone: str, tmp_path: Path, make_training
) -> None:
    task = task_of(make_training())
    task = replace(task, trials=(Trial(task.training, "a", 0.3),))
    ledger = Ledger(Storage.at(tmp_path))
    selected = [Checkpoint(level=0.3, epoch=3, val_top1=0.3)]
    record = record_of(task, selected=selected, kept=[(3, 0.3)])
    written(ledger, msgspec.structs.replace(record, evaluations=[]))
    folder = ledger.folder(task.training_id)
    for name in ("best.ckpt", "level-epoch-0003.ckpt"):
        folder.write_bytes(name, b"weights")
    if gone:
        folder.delete(gone)
    job = Job(task, 1, Setting(ledger, "token", "ts_grid"), "here", 0.0)
    assert (record_with_weights(job) is None) == bool(gone)


def test_an_attempt_that_goes_on_tells_its_last_epoch_and_in_a_search_each(tmp_path: Path, make_training) -> None:
    task, told = task_of(make_training()), list[dict[str, Any]]()
    rows, setting = [{"epoch": 0}, {"epoch": 1}], Setting(Ledger(Storage.at(tmp_path)), "token", "ts_grid")
    group, mine = Group(Place(), told.append), {WHOSE: task.training_id}
    resumer(Job(task, 2, setting, "here", 0.0), group)([])
    assert told == []
    resumer(Job(task, 2, setting, "here", 0.0), group)(rows)
    assert told == [{"epoch": 1, RESUMED: True, **mine}]
    resumer(Job(task, 2, replace(setting, retell=True), "here", 0.0), group)(rows)
    assert told[1:] == [{"epoch": 0, **mine}, {"epoch": 1, **mine}]
