"""What a training of one kind costs, measured in about a second. Knows torch, not Ray.

Random clips serve as well as real ones: no model's work depends on the pixels. Seconds are measured with the threads
that torch has now and with nothing beside it: give it what a trial will have.
"""

import ctypes
import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import torch

from rac_ray.data.feed import Subject
from rac_ray.identity import Recipe
from rac_ray.training.device import device_name

if TYPE_CHECKING:
    from rac_ray.training.classifier import Classifier

Clips = Annotated[int, msgspec.Meta(ge=1, le=2**31)]
SecondsPerClip = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**60)]
"""What a probe can have measured, so that a file with other values is none."""
FEWEST_CLIPS = 2
"""Clips of a probing step; batch normalisation and the first estimate need no more."""


@dataclass(frozen=True)
class Probe:
    """What trainings of one kind were measured to need on one device."""

    kind: str
    batch_size: Clips
    """Clips of one worker's training step by the recipe."""
    probed_batch: Clips
    """Clips of the training step that was measured: fewer where the recipe's would not have fitted in the time."""
    seconds_per_train_clip: SecondsPerClip
    """Forward, backward and optimiser step."""
    seconds_per_eval_clip: SecondsPerClip
    """Forward alone, in evaluation batches."""
    peak_bytes: Bytes
    """Peak memory of a trial at the full batch sizes, without the clips that it keeps resident. On a GPU what torch
    allocated, without the CUDA context; on a CPU resident memory of the whole process, imports included. The part
    that a step adds to the memory before it is scaled linearly from the probed to the full batch; what does not grow
    with the batch makes that too much for a small one."""
    device: str
    """The GPU's name, or the processor's."""
    steps: str = ""
    """Digest of what steps depend on beside kind and batch: clips, weights, precision, optimiser. A kind of one name
    may be of several studies, and of clips of several sizes."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Measured:
    """What one kind of step needs."""

    batch: int
    """Clips of the largest step made."""
    seconds_per_clip: float
    own_bytes: int
    """Bytes in use before the steps."""
    step_bytes: int
    """Bytes that a step on the full batch adds to those at its peak."""


def probe(kind: str, subject: Subject, recipe: Recipe, *, device: torch.device, seconds: float = 1.0) -> Probe:
    """Make training steps, then evaluation steps, for about ``seconds`` each, at least one on two clips.

    ``recipe`` has the clips of one worker's step. Raises torch.OutOfMemoryError when a step does not fit the GPU.
    """
    from rac_ray.training.classifier import Classifier

    classifier = Classifier(subject.build(), recipe, scaled=subject.scaled)
    batches = (recipe.batch_size, subject.evaluation_batch(device.type, recipe.batch_size))
    trained, evaluated = _steps(classifier, subject.clip_shape, subject.num_classes, batches, device, seconds)
    return _probe(kind, recipe.batch_size, trained, evaluated, device)


def _steps(
    classifier: "Classifier",
    clip: tuple[int, int, int, int],
    num_classes: int,
    batches: tuple[int, int],
    device: torch.device,
    seconds: float,
) -> tuple[_Measured, _Measured]:
    """Training and evaluation steps, of batches of these sizes."""
    from rac_ray.training.optimisers import optimiser_of

    classifier.to(device)
    optimiser = optimiser_of(classifier.model, classifier.recipe, on_gpu=device.type == "cuda")
    precision = classifier.recipe.precision
    dtype = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}.get(precision)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "16-mixed")
    frames = torch.randint(256, (max(batches), *clip), dtype=torch.uint8, device=device)
    labels = torch.randint(num_classes, (max(batches),), device=device)

    def train(batch: int) -> None:
        optimiser.zero_grad()
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            loss = classifier.loss(frames[:batch], labels[:batch], classifier.train_totals)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()

    def evaluate(batch: int) -> None:
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not None):
            classifier(frames[:batch]).float().cpu()

    trained = _measured(train, batches[0], seconds, device)
    optimiser.zero_grad()
    classifier.eval()
    return trained, _measured(evaluate, batches[1], seconds, device)


def _probe(kind: str, batch_size: int, trained: _Measured, evaluated: _Measured, device: torch.device) -> Probe:
    return Probe(
        kind=kind,
        batch_size=batch_size,
        probed_batch=trained.batch,
        seconds_per_train_clip=trained.seconds_per_clip,
        seconds_per_eval_clip=evaluated.seconds_per_clip,
        peak_bytes=trained.own_bytes + max(trained.step_bytes, evaluated.step_bytes),
        device=device_name(device),
    )


STATUS = Path("/proc/self/status")
"""Linux's account of a process; elsewhere a peak counts from the process's start (in bytes, on macOS)."""


def _measured(step: Callable[[int], None], full: int, seconds: float, device: torch.device) -> _Measured:
    """Make steps until no further one fits in ``seconds``, each on as many clips (at most ``full``) as fit in the rest.

    The first one is not counted: it picks kernels and makes the optimiser's state. Where small batches take as long
    as large ones, as on a GPU, the batch grows in a few steps.
    """
    batch = min(FEWEST_CLIPS, full)
    step(batch)
    own, taken = _reset_peak(device), []
    _synchronise(device)
    deadline = time.perf_counter() + seconds
    while True:
        began = time.perf_counter()
        step(batch)
        _synchronise(device)
        now = time.perf_counter()
        taken.append(now - began)
        if (left := deadline - now) < taken[-1]:
            break
        affordable = min(full, int(batch * left / taken[-1]))
        if affordable > batch:
            batch, taken = affordable, []
    added = (_peak(device) - own) / batch * full
    return _Measured(batch, statistics.median(taken) / batch, own, int(added))


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> int:
    """Begin a new peak; returns the bytes in use.

    What the C library keeps of freed memory is handed back first: steps would reuse it without raising the peak.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif STATUS.exists():
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    return _peak(device)


def _peak(device: torch.device) -> int:
    """Most bytes in use since the last reset: allocated by torch on a GPU, resident in the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if STATUS.exists():
        return int(STATUS.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
