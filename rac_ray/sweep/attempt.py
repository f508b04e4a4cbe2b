"""One attempt at one task, in the process that Tune gives it: train and evaluate, or leave a failure that says why
not."""

import os
import platform
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rac_ray.sweep.failures import disk_is_full, now
from rac_ray.sweep.job import Job, Setting
from rac_ray.sweep.loading import loading
from rac_ray.sweep.sharing import parts_of
from rac_ray.training.task import Task


def run_task(
    config: dict[str, Any], tasks: Mapping[str, Task], clips: Mapping[str, Any], made_from: Any, setting: Setting
) -> None:
    """Tune's function trainable: one attempt at a task, and at others that are stacked with it, unless nothing is
    outstanding.

    ``tasks`` are all of the run, by training id; ``clips`` are references to those that lie in memory, by
    ``Subject.key``, and ``made_from`` is what makes clips again, by the trainings' ``clips_key`` and model. Whatever is
    raised becomes a failure file, and the other tasks go on. A full disk is no failure of the task: it halts the sweep.
    After memory ran out the process ends, so that the next task begins in a clean one.
    """
    with loading():
        import ray
        from ray import tune

        from rac_ray.sweep import worker  # noqa: F401 - what training needs is loaded before its time counts
        from rac_ray.sweep.follow import HALT, attempts_in
        from rac_ray.sweep.recording import ended, leave_failure

    made = [job_of(tasks[each], attempt, clips, made_from, setting) for each, attempt in attempts_in(config)]
    jobs = [job for job in made if not ended(job)]
    if not jobs:
        return  # another process was quicker: a killed driver's orphan, or this task before its node was lost
    ledger = setting.ledger
    try:
        who = {"host": platform.node(), "pid": os.getpid(), "node": ray.get_runtime_context().get_node_id()}
        for job in jobs:
            ledger.begin(job.training_id, job.attempt, setting.driver, began_at=now(), **who)
        _train(jobs, config["resources"])
    except Exception as error:
        if disk_is_full(error):
            tune.report({HALT: f"{ledger.storage.root} is full; make room and give the same command again"})
            return
        if "out of memory" in [leave_failure(job, error) for job in jobs if not ended(job)]:
            raise
    if any(ledger.failure(job.training_id, job.attempt) for job in jobs):
        tune.report({"failed": True})


def job_of(task: Task, attempt: int, clips: Mapping[str, Any], made_from: Any, setting: Setting) -> Job:
    """An attempt at a task that begins now, here."""
    keys = {part: task.subject.key(part) for part in parts_of(task)}
    mine = {part: clips[key] for part, key in keys.items() if key in clips}
    made = made_from.get((task.training.clips_key, task.training.model))
    return Job(task, attempt, setting, platform.node(), time.monotonic(), made, mine)


def _train(jobs: Sequence[Job], resources: dict[str, float]) -> None:
    """Hand tasks to TorchTrainer: in this process for one worker, in a worker group for more."""
    from ray.train import ScalingConfig
    from ray.train.torch import TorchTrainer

    from rac_ray.sweep.worker import train_loop

    job, *mates = jobs
    setting = job.setting
    per_worker = dict(setting.per_worker if setting.in_groups else resources)
    workers: Any = setting.workers if setting.in_groups else 0
    TorchTrainer(
        train_loop,
        train_loop_config={"job": job, "mates": mates},
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=per_worker.get("GPU", 0) > 0, resources_per_worker=per_worker
        ),
        **(_group_configs(job) if setting.in_groups else {}),
    ).fit()


def _group_configs(job: Job) -> dict[str, Any]:
    """A worker group's own configuration: its name in the list of Train runs, how often it goes on by itself."""
    from ray.train import FailureConfig, RunConfig
    from ray.tune.integration.ray_train import TuneReportCallback

    return {
        "run_config": RunConfig(
            name=f"{job.task.training.name} {job.training_id}-{job.attempt}".replace("/", "-"),
            storage_path=job.setting.scratch,
            callbacks=[TuneReportCallback()],
            failure_config=FailureConfig(max_failures=job.setting.lost_workers, controller_failure_limit=2),
        ),
    }
