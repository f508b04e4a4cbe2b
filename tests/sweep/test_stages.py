"""What a record tells after a further plan has asked its training about other domains."""

from pathlib import Path
from typing import Any, cast

import msgspec

from rac_ray.data.feed import Place
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage
from rac_ray.sweep.job import Job, Setting
from rac_ray.sweep.stages import Group, evaluate_all
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
