"""An attempt at a task of which nothing is outstanding; those that train are in test_runner and test_faults."""

from pathlib import Path

from rac_ray.sweep.attempt import run_task
from rac_ray.sweep.job import Setting
from tests.records import finish
from tests.sweep.tiny_sweep import tiny_plan


def test_a_retry_after_the_record_trains_nothing(tmp_path: Path) -> None:
    """Without the record this call would fail for want of data; with it there is nothing to do."""
    plan = tiny_plan(tmp_path, seeds=(0,))
    (task,) = plan.tasks
    record = finish(plan.ledger, task)
    config = {"training_id": task.training_id, "attempt": 2, "resources": {}}
    run_task(config, {task.training_id: task}, {}, {}, Setting(plan.ledger, "driver", "tiny"))
    assert plan.ledger.record(task.training_id) == record
    assert plan.ledger.failures(task.training_id) == []
