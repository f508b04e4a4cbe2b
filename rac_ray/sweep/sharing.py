"""Resident clips: read once for a whole run, into Ray's object store, one copy on each node."""

from collections.abc import Iterable
from typing import Any

from rac_ray.data.source import Source
from rac_ray.training.task import Task


def parts_of(task: Task) -> list[str]:
    """All ``domain/split`` parts that a task reads from its data folder."""
    subject = task.subject
    trained = (subject.val,) if subject.draws else (subject.train, subject.val)
    return list(dict.fromkeys((*trained, *(each.part for each in task.evaluations))))


def shared_clips(tasks: Iterable[Task]) -> dict[str, Any]:
    """References to the clips of every part that tasks read, as ``Clips``, by ``Subject.key``; they live as long as
    the driver."""
    import ray

    from rac_ray.data.reading import read_whole

    by_shape: dict[tuple[int, ...], dict[str, Source]] = {}
    for task in tasks:
        for part in parts_of(task):
            key, sources = task.subject.key(part), by_shape.setdefault(task.subject.shape_of(part), {})
            if key not in sources:
                sources[key] = task.subject.source(part)
    return {key: ray.put(clips) for shape, sources in by_shape.items() for key, clips in read_whole(sources, shape)}
