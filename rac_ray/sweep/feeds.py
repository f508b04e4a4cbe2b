"""Which way clips go to trainings: in memory, streamed, or drawn for each epoch. Pure.

Whether training clips are stored or drawn is part of what a training is, an axis of studies that can draw clips. How
stored clips are delivered changes no number: it follows from their size and the free memory, unless it is asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import TYPE_CHECKING, Any, Literal

from rac_ray.errors import BadInput, one_of
from rac_ray.sweep.options import Option, require_some, words
from rac_ray.training.task import Task

if TYPE_CHECKING:
    from rac_ray.studies.study import Study

FEED = "feed"
"""Option, and variant of studies that can draw clips."""
STORED, ONLINE = "stored", "online"
"""Values of the variant."""
AUTO = "auto"
Way = Literal["resident", "streamed", "online"]
DELIVERIES = (AUTO, "resident", "streamed")
"""What may be asked of stored clips."""
FEED_OPTION = Option(
    FEED, words, "clips in memory or streamed: auto, resident, streamed; online: drawn anew for each epoch"
)
STORE_SHARE = 0.7
"""Of an object store that resident clips may fill: beyond it Ray writes to disk."""
MEMORY_SHARE = 0.5
"""Of the free memory that resident clips may take, and of a GPU's."""


def variant_of(study: "Study", asked: Sequence[str]) -> list[str]:
    """Values of the variant for what is asked for; empty for a study that has none.

    Raises BadInput for words that are none, for two deliveries, and for ``online`` where clips cannot be drawn.
    """
    require_some(FEED, asked)
    draws = FEED in study.every_variant
    valid = (*DELIVERIES, STORED, ONLINE) if draws else DELIVERIES
    for word in asked:
        if word not in valid:
            raise one_of(FEED, word, valid)
    delivery(asked)
    values = [ONLINE if word == ONLINE else STORED for word in asked]
    return list(dict.fromkeys(values)) if draws else []


def delivery(asked: Iterable[str]) -> str:
    """``auto``, ``resident`` or ``streamed``. Raises BadInput where two of them are asked for."""
    named = [word for word in dict.fromkeys(asked) if word in DELIVERIES]
    if len(named) > 1:
        raise BadInput(f"feed names both {' and '.join(named)}; valid: one of them, alone or with {ONLINE}")
    return named[0] if named else AUTO


@dataclass(frozen=True)
class Room:
    """What clips may fill of each node."""

    store: float = inf
    """Bytes of the smallest object store."""
    memory: float = inf
    """Bytes of free memory."""
    gpu: float = inf
    """Bytes of a GPU; infinite without one."""


def bytes_by_key(tasks: Iterable[Task]) -> dict[str, int]:
    """Size of the clips that tasks read, as models see them, by the key of a part; drawn ones are not kept."""
    found: dict[str, int] = {}
    for task in tasks:
        subject, counts = task.subject, task.counts
        clips = {subject.val: counts.val, **{each.part: counts.evaluated[each.part] for each in task.evaluations}}
        if not subject.draws:
            clips[subject.train] = counts.train
        found |= {subject.key(part): number * prod(subject.shape_of(part)) for part, number in clips.items()}
    return found


def way_of(tasks: Sequence[Task], asked: str, room: Room) -> Way:
    """How the stored clips of a run's tasks are delivered.

    Raises BadInput where they are to be resident and the object store is too small.
    """
    size = sum(bytes_by_key(tasks).values())
    trained = max((task.resident for task in tasks), default=0)
    fits = size <= STORE_SHARE * room.store
    if asked == "resident" and not fits:
        raise BadInput(
            f"feed 'resident': the clips are {size / 1e9:.1f} GB and the object store has {room.store / 1e9:.1f} GB, "
            f"of which they may fill {STORE_SHARE:.0%}; valid: auto, streamed"
        )
    small = fits and size <= MEMORY_SHARE * room.memory and trained <= MEMORY_SHARE * room.gpu
    if asked == "streamed" or (asked == AUTO and not small):
        return "streamed"
    return "resident"


def tells(task: Task, delivered: Way) -> Way:
    """What a task's record says of its training clips."""
    return ONLINE if task.subject.draws else delivered


def reads_beside(tasks: Iterable[Task], delivered: Way) -> bool:
    """Whether tasks of Ray's make clips while trainings run."""
    return delivered == "streamed" or any(task.subject.draws for task in tasks)


def asked_delivery(asked: Mapping[str, Any]) -> str:
    """The delivery among a study's options."""
    return delivery(asked.get(FEED) or ())
