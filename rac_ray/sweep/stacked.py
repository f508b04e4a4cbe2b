"""An attempt at several seeds of a training in one process: they train as one model, and nothing else binds them.

Each has its own checkpoints, record and failure, so that the next attempt may have other seeds together, or each alone.
"""

import logging
import time
from collections.abc import Callable, Sequence

import torch

from rac_ray.store.record import Record
from rac_ray.sweep.failures import classify, disk_is_full
from rac_ray.sweep.job import Job
from rac_ray.sweep.recording import leave_failure
from rac_ray.sweep.stages import Group, evaluate_all, feeds_of, record_with_weights, resumer, teller, written
from rac_ray.sweep.trial_log import TrialLog
from rac_ray.training.fit import Fit
from rac_ray.training.fit_stack import Seat, fit_stack

_LOGGER = logging.getLogger(__name__)


def run_stack(jobs: Sequence[Job], group: Group, logs: Sequence[TrialLog], beat: Callable[[], None]) -> None:
    """Bring each job's training to a record with all its evaluations, or leave its failure.

    Raises what is no seed's own: memory that ran out, a full disk, and whatever ends the process.
    """
    records = {job.training_id: record_with_weights(job) for job in jobs}
    untrained = [job for job in jobs if records[job.training_id] is None]
    if untrained:
        for job, came_to in zip(untrained, _train(untrained, group, logs, beat), strict=True):
            if isinstance(came_to, Exception):
                _fail(job, came_to, logs)
            else:
                records[job.training_id] = came_to
    for job in jobs:
        record = records[job.training_id]
        if record is not None:
            try:
                evaluate_all(job, group, feeds_of(job, group), record, beat)
            except Exception as error:
                if disk_is_full(error) or classify(type(error).__name__, str(error)) == "out of memory":
                    raise
                _fail(job, error, logs)


def _train(
    jobs: Sequence[Job], group: Group, logs: Sequence[TrialLog], beat: Callable[[], None]
) -> list[Record | Exception]:
    """Fit the seeds, and write what they came to. Of times each has its share."""
    ready_at, first = time.monotonic(), jobs[0]
    seats = []
    for job in jobs:
        feeds, task = feeds_of(job, group), job.task
        own = task.subject.build, task.training.seed, feeds.train(), feeds.val(), job.folder
        report, resumed = teller(job, group, logs), resumer(job, group)
        seats.append(Seat(*own, keeper=task.selection.keeper(), report=report, resumed=resumed))
    results = fit_stack(
        seats,
        first.task.training.recipe,
        device=torch.device(group.place.device),
        scaled=first.task.subject.scaled,
        beat=beat,
        cuda_graphs=first.setting.cuda_graphs,
    )
    found: list[Record | Exception] = []
    for job, result in zip(jobs, results, strict=True):
        if isinstance(result, Fit):
            start = ready_at - job.began + result.seconds_to_first_step
            training = sum(row["seconds"] for row in result.epochs)
            seconds = {"to_first_step": start, "training": training, "total": start / len(jobs) + training}
            found.append(written(job, group, result, seconds, len(jobs)))
        else:
            found.append(result)
    return found


def _fail(job: Job, error: Exception, logs: Sequence[TrialLog]) -> None:
    _LOGGER.error("attempt %d at seed %d failed", job.attempt, job.task.training.seed, exc_info=error)
    for log in logs:
        log.write()
    leave_failure(job, error)
