"""What Diving48's steps cost where nothing was measured: counted operations at a stated speed, and counted memory."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from rac_ray.models import Builder
from rac_ray.training.memory import StepMemory, step_memory
from rac_ray.training.probe import Probe
from rac_ray.training.task import Task

OPERATIONS_PER_SECOND = 40e12
"""Of one worker: an assumption, an eighth of what an A100 can do in 16 bits."""
STEP = 3
"""A training step over a forward pass."""

ClipSize = tuple[int, int, int, int]


def shapes_only(build: Builder) -> nn.Module:
    """The model without memory for its weights."""
    with torch.device("meta"):
        return build()


@lru_cache(maxsize=64)
def operations_of(build: Builder, clip: ClipSize) -> int:
    """Of a clip's forward pass: two per multiplication and addition of convolutions, products and attention."""
    model = shapes_only(build).eval()
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, *clip))
    return counter.get_total_flops()


@lru_cache(maxsize=64)
def memory_of(build: Builder, clip: ClipSize) -> StepMemory:
    """Of a training step."""
    return step_memory(lambda: shapes_only(build), clip)


def assumed_probe(task: Task) -> Probe:
    """What a probe would say if operations were all that counts."""
    subject, batch = task.subject, task.training.recipe.batch_size
    build: Builder = subject.build  # pyright: ignore[reportAssignmentType]
    look = operations_of(build, subject.clip_shape) / OPERATIONS_PER_SECOND
    memory = memory_of(build, subject.clip_shape)
    return Probe(task.training.kind, batch, batch, STEP * look, look, int(memory.per_clip * batch), "none")


def notes(tasks: Sequence[Task]) -> list[str]:
    """A line per size: operations and memory."""
    first = {task.training.kind: task for task in tasks}
    return [_note(kind, task) for kind, task in first.items()]


def _note(kind: str, task: Task) -> str:
    build: Builder = task.subject.build  # pyright: ignore[reportAssignmentType]
    operations = operations_of(build, task.subject.clip_shape)
    memory = memory_of(build, task.subject.clip_shape)
    return (
        f"{kind}: {operations / 1e12:.2f} * 10^12 operations per clip forward, "
        f"{memory.per_clip / 1e9:.2f} GB per clip of a step in 32 bits"
    )
