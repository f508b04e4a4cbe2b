"""Run a plan on Ray: shards by Ray tasks, clips by Ray Data, trials by Tune, each trained by TorchTrainer.

A trial of one worker runs TorchTrainer in its own process, which Tune reuses for the next trial; one of several
workers gets a real worker group with DDP. The ledger, not Tune's files, is the truth: Tune's go to a folder that
is thrown away.
"""

import logging
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import ray

from rac_ray.data.generate import generate
from rac_ray.data.loading import open_clips, part_keys
from rac_ray.data.temporal_shape import DIRECTIONS
from rac_ray.errors import BadInput
from rac_ray.ledger import Ledger
from rac_ray.sweep.planner import Plan
from rac_ray.trial import Trial

LOCAL_OBJECT_STORE = 2_000_000_000
WORKER_ENVIRONMENT = {
    # glibc gives large blocks back to the kernel at each free; the page faults cost as much as the arithmetic.
    # Trials run in a thread, whose own arena would ignore the thresholds: one arena for all.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "67108864",
}
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}
DRIVER_CPUS = 0.01
"""What the waiting half of a trial with a worker group asks for; Tune refuses 0."""
PROCESS_RETRIES = 2
"""How often a trial whose process died goes on from its last checkpoint."""


def say_line(line: str) -> None:
    """Print one line at once, to a terminal or a log."""
    print(line, flush=True)


@dataclass(frozen=True)
class Resources:
    """What the sweep runs on and what each trial gets."""

    address: str | None = None
    """A running cluster (``auto`` or ``host:port``); None starts a local Ray."""
    num_cpus: int | None = None
    """Size of a local Ray; None takes the machine."""
    workers: int = 1
    """DDP workers per trial."""


@contextmanager
def ray_session(resources: Resources) -> Iterator[None]:
    """A local Ray for the duration, or a connection to the cluster at ``address``."""
    os.environ.update({**WORKER_ENVIRONMENT, **RAY_ENVIRONMENT, **os.environ})
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = (
        {"address": resources.address}
        if resources.address
        else {
            "num_cpus": resources.num_cpus or os.cpu_count(),
            "object_store_memory": LOCAL_OBJECT_STORE,
            "include_dashboard": False,
        }
    )
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, ValueError) as error:
        raise BadInput(f"no Ray cluster at {resources.address!r}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def run_trial(config: dict[str, Any], datasets: dict[str, Any], jobs: dict[str, Any]) -> None:
    """Tune's function trainable: one trial. Whatever it raises becomes a failure file, and the others go on."""
    from ray import tune

    trial, ledger = Trial.from_dict(config["trial"]), cast(Ledger, jobs["ledger"])
    if ledger.record(trial.trial_id) is not None:
        return  # the process died between the record and its report; Tune's retry has nothing left to do
    try:
        _train(trial, ledger, datasets, jobs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a visible failure of this trial alone
        ledger.fail(trial.trial_id, failure_of(error))
        tune.report({"failed": True})


def _train(trial: Trial, ledger: Ledger, datasets: dict[str, Any], jobs: dict[str, Any]) -> None:
    """Hand the trial to TorchTrainer: in this process for one worker, in a worker group for more."""
    started_at = time.time()
    from ray.train import ScalingConfig
    from ray.train.torch import TorchTrainer

    from rac_ray.training.worker import Job, train_loop

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    direction = DIRECTIONS[trial.source]
    content = {part: jobs["content"][part] for part in direction.parts}
    workers, gpus = jobs["workers"], jobs["gpus_per_worker"]
    job = Job(trial, ledger, direction.train, direction.evaluations, content, workers, started_at)
    TorchTrainer(
        train_loop,
        train_loop_config={"job": job},
        datasets={"clips": datasets[trial.source]},
        scaling_config=ScalingConfig(
            num_workers=workers if workers > 1 else 0,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": 1, "GPU": gpus} if gpus else {"CPU": 1},
        ),
        **_group_configs(trial, jobs["scratch"]) if workers > 1 else {},
    ).fit()


def _group_configs(trial: Trial, scratch: str) -> dict[str, Any]:
    """A worker group's own configuration: named by the trial, so that a restart finds it; whole data for each rank."""
    from ray.train import DataConfig, FailureConfig, RunConfig
    from ray.tune.integration.ray_train import TuneReportCallback

    return {
        "dataset_config": DataConfig(datasets_to_split=[]),
        "run_config": RunConfig(
            name=trial.trial_id,
            storage_path=scratch,
            callbacks=[TuneReportCallback()],
            failure_config=FailureConfig(max_failures=PROCESS_RETRIES, controller_failure_limit=PROCESS_RETRIES),
        ),
    }


FAILURE_CLASSES = {
    "NotFinite": "not finite",
    "MemoryError": "out of memory",
    "OutOfMemoryError": "out of memory",
    "BadInput": "data",
}
"""Whose fault an exception is, by its name; every other one is the code's."""


def failure_of(error: Exception) -> dict[str, Any]:
    """What is kept of an exception. A worker group's error is told by its first worker's."""
    cause = next(iter(getattr(error, "worker_failures", {}).values()), error)
    while cause.__cause__ is not None:
        cause = cause.__cause__
    name, _, message = "".join(traceback.format_exception_only(cause)).strip().splitlines()[-1].partition(": ")
    name = name.rpartition(".")[2]
    return {
        "class": FAILURE_CLASSES.get(name, "code"),
        "reason": f"{name}: {message}",
        "traceback": "".join(traceback.format_exception(error)),
        "failed_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def run_plan(plan: Plan, resources: Resources, say: Callable[[str], None] = say_line) -> None:
    """Make what data is missing, then run what trials are missing. Results are in the ledger afterwards."""
    with ray_session(resources):
        trials_at_once(ray.cluster_resources(), resources)
        made = generate(plan.data, plan.dataset, plan.digits, say)
        say(f"data {plan.data.root}: {made} shards made, digits={plan.digits.source}")
        require_same_pixels(plan)
        plan.ledger.register(plan.trials)
        missing = plan.missing()
        if missing:
            _tune(plan, missing, resources, say)


def require_same_pixels(plan: Plan) -> None:
    """BadInput when finished trials saw other pixels than the data folder holds now, though the spec is the same.

    A trial's id covers the spec; what other versions of the image libraries make of it shows only in the pixels.
    """
    parts = {part for trial in plan.trials for part in DIRECTIONS[trial.source].parts}
    now = part_keys(plan.data, parts)
    for trial in plan.trials:
        record = plan.ledger.record(trial.trial_id) or {"content": {}}
        other = [part for part, content in record["content"].items() if content != now[part]]
        if other:
            raise BadInput(
                f"trial {trial.trial_id} was trained with other pixels in {other[0]} than {plan.data.root} holds "
                "(made by other library versions); use its data folder or another --storage"
            )


def gpus_per_worker(cluster: Mapping[str, float]) -> int:
    """One where the cluster has GPUs, none where it has not."""
    return 1 if cluster.get("GPU") else 0


def trials_at_once(cluster: Mapping[str, float], resources: Resources) -> int:
    """How many trials a cluster with these resources holds; BadInput when not even one fits."""
    workers = resources.workers
    needs = {"CPU": workers + (DRIVER_CPUS if workers > 1 else 0), "GPU": workers * gpus_per_worker(cluster)}
    at_once = min(int(cluster.get(name, 0) / need) for name, need in needs.items() if need)
    if at_once < 1:
        wanted = " and ".join(f"{need:g} {name}s" for name, need in needs.items() if need)
        there = " and ".join(f"{cluster.get(name, 0):g} {name}s" for name, need in needs.items() if need)
        raise BadInput(f"one trial with --workers {workers} needs {wanted}, the cluster has {there}")
    return at_once


def _tune(plan: Plan, missing: list[Trial], resources: Resources, say: Callable[[str], None]) -> None:
    """Run the missing trials through Tune, as many at a time as the cluster holds."""
    from ray import tune

    from rac_ray.sweep.monitor import Monitor

    cluster = ray.cluster_resources()
    gpus = gpus_per_worker(cluster)
    sources = sorted({trial.source for trial in missing})
    parts = {part for source in sources for part in DIRECTIONS[source].parts}
    monitor = Monitor(plan.ledger, len(plan.trials), len(plan.trials) - len(missing), say)
    alone = resources.workers == 1
    with tempfile.TemporaryDirectory(prefix="rac_ray-") as scratch:
        jobs = {
            "content": part_keys(plan.data, parts),
            "ledger": plan.ledger,
            "workers": resources.workers,
            "gpus_per_worker": gpus,
            "scratch": scratch,
        }
        datasets = {source: open_clips(plan.data, DIRECTIONS[source].parts) for source in sources}
        trainable = tune.with_parameters(run_trial, datasets=datasets, jobs=jobs)
        per_trial: dict[str, float] = {"CPU": 1, "GPU": gpus} if alone else {"CPU": DRIVER_CPUS}
        tune.Tuner(
            tune.with_resources(trainable, per_trial),
            param_space={"trial": tune.grid_search([trial.as_dict() for trial in missing])},
            tune_config=tune.TuneConfig(
                reuse_actors=alone,
                max_concurrent_trials=trials_at_once(cluster, resources),
                trial_name_creator=_tune_name,
                trial_dirname_creator=_tune_name,
            ),
            run_config=tune.RunConfig(
                name=plan.sweep.name,
                storage_path=scratch,
                verbose=0,
                callbacks=[monitor],
                failure_config=tune.FailureConfig(max_failures=PROCESS_RETRIES),
            ),
        ).fit()


def _tune_name(trial: Any) -> str:
    return trial.config["trial"]["trial_id"]
