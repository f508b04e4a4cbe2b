"""One attempt at one trial, in the process that Tune gives it: train, or leave a failure that says why not."""

import os
import platform
import time
from collections.abc import Callable
from typing import Any

import ray

from rac_ray.ledger import Ledger
from rac_ray.sweep.failures import disk_is_full, failure_of, now
from rac_ray.sweep.follow import HALT
from rac_ray.training.worker import Job, Setting, train_loop
from rac_ray.trial import Trial

LOG_TAIL_LINES = 40


def run_trial(config: dict[str, Any], datasets: dict[str, Any], setting: Setting) -> None:
    """Tune's function trainable: one attempt at a trial."""
    job = Job(Trial.from_dict(config["trial"]), config["attempt"], setting, platform.node(), time.monotonic())
    attempted(
        setting.ledger,
        job.trial.trial_id,
        job.attempt,
        setting.driver,
        lambda: _train(job, datasets[job.trial.source], config["resources"]),
    )


def attempted(ledger: Ledger, trial_id: str, attempt: int, driver: str, train: Callable[[], None]) -> None:
    """``train``, unless there is a record; whatever it raises becomes a failure file, and the others go on.

    A full disk is no failure of the trial: it halts the sweep. After memory ran out the process ends, so that the
    next trial begins in a clean one.
    """
    from ray import tune

    if ledger.record(trial_id) is not None:
        return  # another process was quicker: a killed driver's orphan, or this trial before its node was lost
    host = platform.node()
    try:
        who = {"host": host, "pid": os.getpid(), "node": ray.get_runtime_context().get_node_id()}
        ledger.begin(trial_id, attempt, driver, began_at=now(), **who)
        train()
    except Exception as error:
        if disk_is_full(error):
            tune.report({HALT: f"{ledger.storage.root} is full; make room and give the same command again"})
            return
        failure = failure_of(error)
        ledger.fail(trial_id, attempt, {**failure, "host": host, "log_tail": ledger.log_tail(trial_id, LOG_TAIL_LINES)})
        if failure["class"] == "out of memory":
            raise
        tune.report({"failed": True})


def _train(job: Job, clips: Any, resources: dict[str, float]) -> None:
    """Hand the trial to TorchTrainer: in this process for one worker, in a worker group for more."""
    from ray.train import ScalingConfig
    from ray.train.torch import TorchTrainer

    setting = job.setting
    alone = setting.workers == 1
    per_worker = dict(resources if alone else setting.per_worker)
    TorchTrainer(
        train_loop,
        train_loop_config={"job": job},
        datasets={"clips": clips},
        scaling_config=ScalingConfig(
            num_workers=0 if alone else setting.workers,
            use_gpu=per_worker.get("GPU", 0) > 0,
            resources_per_worker=per_worker,
        ),
        **({} if alone else _group_configs(job)),
    ).fit()


def _group_configs(job: Job) -> dict[str, Any]:
    """A worker group's own configuration: whole data for each rank, and no retry, which is the queue's to decide."""
    from ray.train import DataConfig, FailureConfig, RunConfig
    from ray.tune.integration.ray_train import TuneReportCallback

    return {
        "dataset_config": DataConfig(datasets_to_split=[]),
        "run_config": RunConfig(
            name=f"{job.trial.trial_id}-{job.attempt}",
            storage_path=job.setting.scratch,
            callbacks=[TuneReportCallback()],
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=2),
        ),
    }
