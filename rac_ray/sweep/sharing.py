"""Resident clips: read once for a whole run, into Ray's object store, one copy on each node."""

from collections.abc import Iterable
from typing import Any

import ray

from rac_ray.data.resident import read_whole
from rac_ray.training.task import Task

Key = tuple[str, str]
"""Data folder and part."""


def parts_of(task: Task) -> list[str]:
    """All ``domain/split`` parts that a task reads from its data folder."""
    subject = task.subject
    trained = (subject.val,) if subject.draws else (subject.train, subject.val)
    return list(dict.fromkeys((*trained, *(each.part for each in task.evaluations))))


def shared_clips(tasks: Iterable[Task]) -> dict[Key, Any]:
    """References to the clips of every part that tasks read, as ``Clips``; they live as long as the driver."""
    found: dict[Key, Any] = {}
    for task in tasks:
        for part in parts_of(task):
            key = task.subject.data.root, part
            if key not in found:
                found[key] = ray.put(read_whole(task.subject.source(part), task.subject.clip_shape))
    return found
