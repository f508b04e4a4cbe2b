"""The loop that TorchTrainer runs: one process of one training, alone or as a rank of a DDP group.

It trains, unless the ledger has the weights, then asks the checkpoints what they have not been asked yet. Alone,
TorchTrainer runs it in the trial's own process and Tune gets the reports; in a group, Ray Train gets them and forwards
rank 0's to Tune.
"""

import logging
import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

import torch
from ray import train, tune
from ray.train.torch import get_device

from rac_ray.data.feed import Feeds, Place
from rac_ray.store.record import Record
from rac_ray.sweep.job import Job
from rac_ray.sweep.recording import ended
from rac_ray.sweep.stacked import run_stack
from rac_ray.sweep.stages import Group, evaluate_all, feeds_of, record_with_weights, resumer, teller, written
from rac_ray.sweep.trial_log import TrialLog
from rac_ray.training.fit import fit
from rac_ray.training.watchdog import Watchdog

_LOGGER = logging.getLogger(__name__)


def train_loop(config: dict[str, Any]) -> None:
    """Bring the job's training to a record with all evaluations that the task wants (rank 0 writes), and with it the
    ``mates``: other seeds of the training.

    What is logged meanwhile goes to the trainings' logs; a process that makes no step any more writes their failures
    and kills itself.
    """
    jobs: list[Job] = [config["job"], *config.get("mates", ())]
    setting = jobs[0].setting
    torch.set_num_threads(max(1, int(setting.per_worker["CPU"])))
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    group = group_of_workers() if setting.in_groups else Group(Place(device=_device().type), tune.report)
    with ExitStack() as stack:
        logs = [stack.enter_context(TrialLog(job.folder)) for job in jobs if group.leads]
        watchdog = stack.enter_context(Watchdog(setting.stall, partial(_stalled, jobs)))
        for job in jobs:
            _LOGGER.info(
                "attempt %d of %s on %s, process %d, rank %d of %d",
                job.attempt, job.task.training.name, platform.node(), os.getpid(), group.place.rank, group.place.world,
            )  # fmt: skip
        try:
            if len(jobs) == 1:
                _run(jobs[0], group, logs, watchdog.beat)
            else:
                run_stack(jobs, group, logs, watchdog.beat)
        except SystemExit:
            _LOGGER.info("attempt %d was stopped", jobs[0].attempt)  # by Tune, between two epochs
            raise
        except BaseException:
            _LOGGER.exception("attempt %d failed", jobs[0].attempt)
            raise


def _stalled(jobs: Sequence[Job], sentence: str, stacks: str) -> None:
    """A group that goes on by itself has lost a worker, no more; the log says where it stood."""
    _LOGGER.error("%s\n%s", sentence, stacks)
    failure = {"class": "stalled", "reason": sentence, "traceback": stacks, "host": platform.node()}
    for job in jobs:
        if not job.setting.lost_workers and not ended(job):
            job.setting.ledger.fail(job.training_id, job.attempt, failure)


def _run(job: Job, group: Group, logs: Sequence[TrialLog], beat: Callable[[], None]) -> None:
    feeds = feeds_of(job, group)
    record = record_with_weights(job)
    if record is None:
        record = _train(job, group, feeds, logs, beat)
    group.wait()
    evaluate_all(job, group, feeds, record, beat)


def _train(job: Job, group: Group, feeds: Feeds, logs: Sequence[TrialLog], beat: Callable[[], None]) -> Record:
    """Fit the training and write what it came to."""
    ready_at, task = time.monotonic(), job.task
    training = task.training
    result = fit(
        task.subject.build,
        training.recipe,
        training.seed,
        feeds.train(),
        feeds.val(),
        job.folder,
        device=torch.device(group.place.device),
        scaled=task.subject.scaled,
        weight=group.place.weight(training.recipe.batch_size),
        keeper=task.selection.keeper(),
        report=teller(job, group, logs),
        resumed=resumer(job, group),
        beat=beat,
        cuda_graphs=job.setting.cuda_graphs and not job.setting.in_groups,
        **group.lightning,
    )
    began = job.began if job.host == platform.node() else ready_at
    seconds = {
        "to_first_step": ready_at - began + result.seconds_to_first_step,
        "training": time.monotonic() - ready_at - result.seconds_to_first_step + result.seconds_before,
        "total": time.monotonic() - began + result.seconds_before,
    }
    return written(job, group, result, seconds)


def _device() -> torch.device:
    return cast(torch.device, get_device()) if torch.cuda.is_available() else torch.device("cpu")


def group_of_workers() -> Group:
    """The group of this process, which is one rank of it."""
    from rac_ray.training.batch_norm import shared_batch_norm
    from rac_ray.training.ray_lightning import ray_for_pytorch_lightning

    ray_lightning = ray_for_pytorch_lightning()
    context, device = train.get_context(), cast(torch.device, get_device())
    options = {
        "accelerator": "auto",
        "devices": "auto",
        "strategy": ray_lightning.RayDDPStrategy(),
        "plugins": [ray_lightning.RayLightningEnvironment(), shared_batch_norm()],
    }
    place = Place(context.get_world_rank(), context.get_world_size(), str(device))
    return Group(place, train.report, {"trainer_options": options, "prepare": ray_lightning.prepare_trainer})
