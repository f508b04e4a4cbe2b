"""How fast a device could train and evaluate a model at most: operations and bytes per clip against its rates.

Counted on the plain model, so that the figures belong to the model and not to how it is computed. FLOPs are those of
convolutions and matrix products. Bytes are what eager execution moves: inputs and outputs of every operation that
computes something. Where tensors stay in a cache, or several operations are one, less is moved, and more than this
bound can be reached.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE, NUM_FRAMES

COUNTED_CLIPS = (2, 4)
"""Work is counted on this few clips and extended along a line: it has a part per clip and one (weights) per step."""
COPIED_FLOATS = {"cpu": 2**26, "cuda": 2**28}
MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}
MATRIX_DTYPE = {"cpu": torch.float32, "cuda": torch.float16}
RATE_SECONDS = 1.0

ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
ALIASES = {"_reshape_alias", "_unsafe_view", "lift_fresh"}
"""Operations that touch no element though they are no views by their schema."""
OVERWRITES = {"copy_", "fill_", "normal_", "uniform_", "zero_"}
"""In-place operations that do not read what they write to."""


@dataclass(frozen=True)
class Work:
    """What a step, or one clip of it, takes."""

    flops: float
    moved_bytes: float


@dataclass(frozen=True)
class Rates:
    """What a device was measured to do."""

    flops: float
    """Of a large matrix product, per second: float32 on a CPU, float16 on a GPU."""
    moved_bytes: float
    """Read and written per second by a large copy."""

    def bound(self, work: Work) -> float:
        """The most clips per second."""
        return min(self.flops / work.flops, self.moved_bytes / work.moved_bytes)

    def bound_by(self, work: Work) -> str:
        """Which of the two it is."""
        arithmetic = work.flops / self.flops > work.moved_bytes / self.moved_bytes
        return "arithmetic" if arithmetic else "memory"


class MovedBytes(TorchDispatchMode):
    """Sums the bytes of inputs and outputs of each operation, views and allocations aside, in ``total``."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if not (func.is_view or name in ALLOCATIONS or name in ALIASES):
            read = args[1:] if name in OVERWRITES else args
            given = {key: value for key, value in kwargs.items() if key != "out"}
            self.total += sum(_nbytes(leaf) for leaf in tree_leaves((read, given, result)))
        return result


def _nbytes(leaf: Any) -> int:
    """Bytes of a tensor, of which an expanded one has only those in memory."""
    return min(leaf.nbytes, leaf.untyped_storage().nbytes()) if isinstance(leaf, Tensor) else 0


def counted(step: Callable[[], object]) -> Work:
    """The work of one call."""
    with MovedBytes() as moved, FlopCounterMode(display=False) as counter:
        step()
    return Work(counter.get_total_flops(), moved.total)


def work_per_clip(model: nn.Module, batch_size: int, device: torch.device) -> tuple[Work, Work]:
    """Of a training step (forward and backward) and of an evaluation, each in batches of ``batch_size``."""
    model.to(device)
    half = torch.autocast(device.type, torch.float16, enabled=device.type == "cuda")
    clips = torch.rand(max(COUNTED_CLIPS), NUM_FRAMES, 1, FRAME_SIZE, FRAME_SIZE, device=device)
    labels = torch.zeros(len(clips), dtype=torch.int64, device=device)

    def train(count: int) -> None:
        model.zero_grad()
        with half:
            loss = functional.cross_entropy(model(clips[:count]), labels[:count])
        loss.backward()

    def evaluate(count: int) -> None:
        with torch.no_grad(), half:
            model(clips[:count])

    model.train()
    training = _per_clip(train, batch_size)
    model.zero_grad()
    model.eval()
    return training, _per_clip(evaluate, batch_size)


def _per_clip(step: Callable[[int], object], batch_size: int) -> Work:
    """Work per clip of a batch, on the line through what steps on the two counts of clips take."""
    few, many = COUNTED_CLIPS
    at_few, at_many = (counted(partial(step, count)) for count in COUNTED_CLIPS)

    def extended(of_few: float, of_many: float) -> float:
        per_clip = (of_many - of_few) / (many - few)
        return per_clip + (of_many - per_clip * many) / batch_size

    return Work(extended(at_few.flops, at_many.flops), extended(at_few.moved_bytes, at_many.moved_bytes))


def measured_rates(device: torch.device) -> Rates:
    """The best that copies and matrix products reach within a second each, with the threads that torch has now."""
    source = torch.rand(COPIED_FLOATS[device.type], device=device)
    target = torch.empty_like(source)
    size, dtype = MATRIX_SIZE[device.type], MATRIX_DTYPE[device.type]
    one, other = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(one)
    return Rates(
        flops=2 * size**3 / _fastest(lambda: torch.mm(one, other, out=product), device),
        moved_bytes=2 * source.nbytes / _fastest(lambda: target.copy_(source), device),
    )


def _fastest(action: Callable[[], object], device: torch.device) -> float:
    """Seconds of the quickest call within RATE_SECONDS, after one that is not counted."""
    action()
    taken, deadline = [], time.perf_counter() + RATE_SECONDS
    while not taken or time.perf_counter() < deadline:
        synchronise(device)
        began = time.perf_counter()
        action()
        synchronise(device)
        taken.append(time.perf_counter() - began)
    return min(taken)


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
