"""The weights that a finished training is asked by: of which epochs, in which files. Pure."""

from collections.abc import Collection

import msgspec

from rac_ray.store.files import BEST_CHECKPOINT, level_file
from rac_ray.store.record import Checkpoint, Record
from rac_ray.training.task import Task


def has_weights(record: Record | None, files: Collection[str], task: Task) -> bool:
    """Whether a training is finished, and its ``files`` have the weights by which it is asked what is yet to be asked.

    If they do not, it is trained again.
    """
    if record is None:
        return False
    asked = task.outstanding(knowing_levels(record, task))
    return {BEST_CHECKPOINT, *(checkpoint_file(record, epoch) for epoch in asked)} <= {*files}


def checkpoint_file(record: Record, epoch: int) -> str:
    """Name of the file with an epoch's weights."""
    return level_file(epoch) if epoch in dict(record.kept) else BEST_CHECKPOINT


def knowing_levels(record: Record, task: Task) -> Record:
    """The record with checkpoints that were asked for after the training: the best one, or of those that were kept the
    nearest to levels."""
    new = [level for level in dict.fromkeys(t.level for t in task.asked) if record.checkpoint(level) is None]
    if not new:
        return record
    levels = [level for level in new if level is not None]
    kept = dict(record.kept) or {record.best_epoch: record.best_val_top1}
    found = task.selection.among(levels, record.best_val_top1, kept)
    checkpoints = [Checkpoint(level=s.level, epoch=s.epoch, val_top1=s.val_top1, reached=s.reached) for s in found]
    if None in new:
        checkpoints.append(Checkpoint(level=None, epoch=record.best_epoch, val_top1=record.best_val_top1))
    return msgspec.structs.replace(record, selected=[*record.selected, *checkpoints])
