"""Stages of an attempt in its process: clips, what is told of an epoch, the record, evaluation."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa
import torch
from torch import Tensor

from rac_ray.data.feed import Feeds, Opening, Place
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.resident import SharedClips
from rac_ray.errors import BadInput
from rac_ray.store.made_from import with_parts
from rac_ray.store.record import Evaluated, Record, with_trials
from rac_ray.sweep.failures import now
from rac_ray.sweep.follow import RESUMED, WHOSE
from rac_ray.sweep.job import Job
from rac_ray.sweep.recording import content_of, trained_record
from rac_ray.sweep.trial_log import TrialLog
from rac_ray.training.checkpoints import as_bytes, weights_in
from rac_ray.training.evaluate import evaluate
from rac_ray.training.fit import DamagedCheckpoint, Fit
from rac_ray.training.weights import checkpoint_file, has_weights, knowing_levels

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Group:
    """One process of a worker group, or one that trains alone."""

    place: Place
    report: Callable[[dict[str, Any]], None]
    lightning: Mapping[str, Any] = field(default_factory=dict)
    """What ``fit`` needs as one rank of a worker group."""

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.place.rank == 0

    def wait(self) -> None:
        """Wait until every process of the group is here."""
        if self.place.world > 1:
            torch.distributed.barrier()


def feeds_of(job: Job, group: Group) -> Feeds:
    """The job's clips, as they come to this process."""
    training, setting = job.task.training, job.setting
    opening = Opening(
        training.seed, training.recipe.batch_size, group.place, SharedClips(job.clips), setting.keep_shards
    )
    return ClipFeeds(job.task.subject, opening)


def record_with_weights(job: Job) -> Record | None:
    """What the training came to, if the ledger has its weights, those of checkpoints that are yet to be asked, too."""
    record = job.setting.ledger.record(job.training_id)
    return record if has_weights(record, job.folder.names(), job.task) else None


def teller(job: Job, group: Group, logs: Sequence[TrialLog]) -> Callable[[dict[str, Any]], None]:
    """What tells of each epoch of a training: to its log, and to the sweep."""

    def tell(row: dict[str, Any]) -> None:
        _LOGGER.info(
            "%(seed)sepoch %(epoch)d: train loss %(train_loss).4f, val top-1 %(val_top1).3f, %(seconds).1f s",
            {**row, "epoch": row["epoch"] + 1, "seed": f"seed {job.task.training.seed}, " if len(logs) > 1 else ""},
        )
        for log in logs if row["epoch"] == 0 or job.setting.in_groups else ():
            log.write()
        group.report({**row, WHOSE: job.training_id})

    return tell


def resumer(job: Job, group: Group) -> Callable[[Sequence[dict[str, Any]]], None]:
    """What tells of the epochs that an attempt goes on from: a search of each, else the last alone."""

    def tell(rows: Sequence[dict[str, Any]]) -> None:
        for row in rows if job.setting.retell else rows[-1:]:
            again = {} if job.setting.retell else {RESUMED: True}
            group.report({**row, **again, WHOSE: job.training_id})

    return tell


def written(job: Job, group: Group, result: Fit, seconds: dict[str, float], stacked: int = 1) -> Record:
    """The record of what was trained, with so many seeds in one process, once it is written down."""
    record = trained_record(job, group.place, result, seconds, stacked)
    if group.leads:
        job.setting.ledger.trained(record, result.epochs, as_bytes(result.model.state_dict()))
    return record


def evaluate_all(job: Job, group: Group, feeds: Feeds, record: Record, beat: Callable[[], None]) -> None:
    """Ask each checkpoint of a training with weights what it has not been asked yet, and write it down."""
    began, task = time.monotonic(), job.task
    record = knowing_levels(record, task)
    scores: list[Evaluated] = []
    tables: list[pa.Table] = []
    for epoch, evaluations in task.outstanding(record).items():
        model = task.subject.build()
        model.load_state_dict(_weights(job, group, checkpoint_file(record, epoch)))
        found = evaluate(
            model,
            feeds,
            evaluations,
            place=group.place,
            precision=task.training.recipe.precision,
            scaled=task.subject.scaled,
            beat=beat,
        )
        scores += [each.score(job.training_id, epoch) for each in found]
        tables += [each.table(score.evaluation_id) for each, score in zip(found, scores[-len(found) :], strict=True)]
        _LOGGER.info("epoch %d evaluated on %d clips", epoch + 1, sum(len(each.clip_ids) for each in found))
    group.report({"evaluated": len(scores)})
    if group.leads:
        new = {each.evaluation_id for each in scores}
        kept = [each for each in record.evaluations if each.evaluation_id not in new]
        seconds = time.monotonic() - began
        before = record.seconds
        whole = msgspec.structs.replace(
            with_trials(record, task.asked),
            evaluations=[*kept, *scores],
            content={**record.content, **content_of(job.task, job.content)},
            dataset=with_parts(job.made_from, record.dataset),
            seconds={
                **before,
                "evaluation": before.get("evaluation", 0.0) + seconds,
                "total": before["total"] + seconds,
            },
            finished_at=now(),
        )
        job.setting.ledger.evaluated(whole, pa.concat_tables(tables) if tables else None)


def _weights(job: Job, group: Group, name: str) -> dict[str, Tensor]:
    """The weights of a checkpoint. One that is damaged is dropped, so that the next attempt trains again."""
    try:
        return weights_in(job.folder, name)
    except BadInput as error:
        if group.leads:
            job.folder.delete(name)
        raise DamagedCheckpoint(f"{error}; it was dropped, to be trained again") from None
