"""What becomes of a training in its record."""

import platform
import resource
from collections.abc import Mapping

import torch

from rac_ray.data.feed import Place
from rac_ray.store.record import Checkpoint, Record, named
from rac_ray.sweep.failures import failure_of, now
from rac_ray.sweep.feeds import tells
from rac_ray.sweep.job import Job
from rac_ray.training.device import device_name
from rac_ray.training.fit import Fit
from rac_ray.training.task import Task

LOG_TAIL_LINES = 40


def content_of(task: Task, content: Mapping[str, str]) -> dict[str, str]:
    """Hashes over the pixels that the evaluations look at, where somebody counts them."""
    parts = [evaluation.part for evaluation in task.evaluations]
    return {part: content[part] for part in parts if part in content}


def _peak_bytes(device: torch.device) -> int:
    """Peak memory so far: of the process on the GPU, or resident on a CPU (earlier trials of the process count)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _replayed(job: Job, device: torch.device) -> bool:
    """Whether steps were to be recorded and replayed."""
    asked = job.setting.cuda_graphs and not job.setting.in_groups
    return asked and device.type == "cuda" and job.task.training.recipe.same_steps


def trained_record(job: Job, place: Place, result: Fit, seconds: dict[str, float], stacked: int = 1) -> Record:
    """What the training came to in a process that trained so many seeds of it; nothing is evaluated yet."""
    task, setting, device = job.task, job.setting, torch.device(place.device)
    training = task.training
    selected = task.selection.selected(result.epochs, result.kept)
    return Record(
        study=setting.study,
        training_id=training.training_id,
        training_version=training.version,
        **{name: getattr(training, name) for name in training.__dataclass_fields__},
        trials=[named(trial) for trial in task.asked],
        selection_rule=task.selection.rule,
        best_epoch=result.best_epoch,
        best_val_top1=result.best_val_top1,
        epochs=len(result.epochs),
        kept=sorted(result.kept.items()),
        selected=[
            Checkpoint(level=each.level, epoch=each.epoch, val_top1=each.val_top1, reached=each.reached)
            for each in selected
        ],
        evaluations=[],
        parameters=result.parameters,
        classes=task.subject.num_classes,
        content={part: job.content[part] for part in task.trained_on if part in job.content},
        way=tells(task, setting.delivered),
        device=device_name(device),
        workers=setting.most_workers,
        per_worker=dict(setting.per_worker),
        cuda_graphs=_replayed(job, device),
        attempt=job.attempt,
        host=platform.node(),
        python=platform.python_version(),
        commit=setting.commit,
        versions=dict(setting.versions),
        stacked=stacked,
        peak_bytes=_peak_bytes(device) // (stacked if device.type == "cuda" else 1),
        seconds=seconds,
        finished_at=now(),
    )


def ended(job: Job) -> bool:
    """Whether nothing of the training is outstanding, or this attempt at it has failed already."""
    ledger, record = job.setting.ledger, job.setting.ledger.record(job.training_id)
    done = record is not None and not job.task.outstanding(record)
    return done or ledger.failure(job.training_id, job.attempt) is not None


def leave_failure(job: Job, error: BaseException) -> str:
    """Write why this attempt failed, with the end of its log; returns the failure's class."""
    ledger, failure = job.setting.ledger, failure_of(error)
    tail = ledger.log_tail(job.training_id, LOG_TAIL_LINES)
    ledger.fail(job.training_id, job.attempt, {**failure, "host": platform.node(), "log_tail": tail})
    return failure["class"]
