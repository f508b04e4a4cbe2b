"""Training steps on clips that lie on the device, and how long they take: for ``speed`` and ``packing``."""

import gc
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor
from torch._C._autograd import DeviceType

from benchmarks.gpu.clips import clips
from benchmarks.plain import build_plain, optimiser_of, train_epoch
from benchmarks.roofline import synchronise
from rac_ray.data.feed import Batch
from rac_ray.data.order import Share
from rac_ray.data.resident import ResidentBatches
from rac_ray.data.shards import Clips
from rac_ray.identity import Recipe
from rac_ray.models import build_model
from rac_ray.training.classifier import Classifier
from rac_ray.training.fit_stack import SideBySide
from rac_ray.training.recorded import RecordedStep
from rac_ray.training.stack import SCALED, StackedClassifier

SIDES = ("plain", "eager", "graphs")
"""Plain PyTorch in 16-bit mixed precision, ours kernel by kernel, ours as one CUDA graph."""
STACKED_SIDES = {"stacked": False, "stacked graphs": True}
"""Several seeds as one model; whether as one CUDA graph."""
WARM_UP = 6
"""Steps before a timing: they choose kernels, make the optimiser's state, and record the graph."""
CHUNKS = 3
"""Of a timing, each between two synchronisations."""
ANNOTATIONS = ("gpu_user_annotation", "ProfilerStep")

Step = Callable[[], None]


@dataclass(frozen=True)
class Timing:
    """Milliseconds of a step: the median of ``CHUNKS`` means, the least and the most."""

    ms: float
    ms_low: float
    ms_high: float


class Ours:
    """A model of ours that steps as the sweep has it step: Lightning left out, its precision and optimiser kept."""

    def __init__(self, model: str, hidden_units: int, batches: Iterator[Batch], device: torch.device) -> None:
        torch.manual_seed(0)
        self.classifier = Classifier(build_model(model, hidden_units), Recipe()).to(device)
        self.device, self.batches = device, batches
        self.optimiser = self.classifier.configure_optimizers()
        self.scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
        self.recorded = RecordedStep(self._step, self._state)

    def eager(self) -> None:
        self._step(*next(self.batches))

    def graphs(self) -> None:
        self.recorded(*next(self.batches))

    def _step(self, frames: Tensor, labels: Tensor) -> None:
        self.optimiser.zero_grad()
        with torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda"):
            loss = self.classifier.share * self.classifier.loss(frames, labels, self.classifier.train_totals)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimiser)
            self.scaler.update()

    def _state(self) -> list[Tensor]:
        momenta = [value["momentum_buffer"] for value in self.optimiser.state.values()]
        scaler: Any = self.scaler
        scale = [scaler._scale, scaler._growth_tracker] if scaler.is_enabled() else []
        own = self.classifier.model.state_dict(keep_vars=True).values()
        return [*own, *momenta, *scale, self.classifier.train_totals.sums]


class Stacked:
    """Several seeds that step as ``fit_stack`` has them step: the product's own step, without Lightning's loop."""

    def __init__(
        self, model: str, hidden_units: int, batches: Iterator[Batch], device: torch.device, seeds: int, graphs: bool
    ) -> None:
        models = []
        for seed in range(seeds):
            torch.manual_seed(seed)
            models.append(build_model(model, hidden_units))
        recipe = Recipe(precision=SCALED if device.type == "cuda" else "32")
        self.classifier = StackedClassifier(models, recipe, cuda_graphs=graphs).to(device)
        self.device, self.batches = device, batches
        loop = SimpleNamespace(optimizers=[self.classifier.configure_optimizers()])
        self.classifier.trainer = cast(Any, loop)
        self.classifier.on_fit_start()
        self.recorded = self.classifier._whole_train_step

    def step(self) -> None:
        with torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda"):
            self.classifier.training_step(next(self.batches), 0)


def step_of(
    side: str, model: str, hidden_units: int, batch: int, resident: int, device: torch.device, seeds: int = 1
) -> Step:
    """A training step on the next batch of ``resident`` clips: of one of ``SIDES``, or, of several seeds with a batch
    each, of one of ``STACKED_SIDES``."""
    if side in STACKED_SIDES:
        abreast = SideBySide([_resident(batch, resident, device, key) for key in range(seeds)])
        graphs = STACKED_SIDES[side]
        return Stacked(model, hidden_units, _endlessly(abreast), device, seeds, graphs).step
    batches = _endlessly(_resident(batch, resident, device, 0))
    if side == "plain":
        return _plain(model, hidden_units, batches, device)
    return getattr(Ours(model, hidden_units, batches, device), side)


def _plain(model: str, hidden_units: int, batches: Iterator[Batch], device: torch.device) -> Step:
    torch.manual_seed(0)
    plain = build_plain(model, hidden_units).to(device)
    optimiser, scaler = optimiser_of(plain, Recipe()), torch.amp.GradScaler(device.type, enabled=device.type == "cuda")

    def step() -> None:
        frames, labels = next(batches)
        train_epoch(plain, cast(Any, [(frames.float() / 255, labels)]), optimiser, scaler, device)

    return step


@cache
def _resident(batch: int, count: int, device: torch.device, key: int) -> ResidentBatches:
    return ResidentBatches(_drawn(count), Share(batch, key=key), device=device)


@cache
def _drawn(count: int) -> Clips:
    """The same object for all seeds, which then share what lies on the device."""
    return clips("2dot", "train", count)


def _endlessly(batches: Iterable[Batch]) -> Iterator[Batch]:
    return itertools.chain.from_iterable(itertools.repeat(batches))


def start_afresh(device: torch.device) -> None:
    """Free what earlier measurements have left of a GPU's memory, and forget their peak."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def timed(step: Step, device: torch.device, seconds: float) -> Timing:
    """Warm up, then make steps for about ``seconds``."""
    for _ in range(WARM_UP):
        step()
    estimate = _mean(step, 2, device)
    count = max(2, int(seconds / CHUNKS / estimate))
    means = [1000 * _mean(step, count, device) for _ in range(CHUNKS)]
    return Timing(statistics.median(means), min(means), max(means))


def _mean(step: Step, count: int, device: torch.device) -> float:
    synchronise(device)
    began = time.perf_counter()
    for _ in range(count):
        step()
    synchronise(device)
    return (time.perf_counter() - began) / count


def kernels(step: Step, count: int = 2) -> tuple[float, float]:
    """Kernels (copies and fills included) of a step on a GPU, and the milliseconds in which at least one runs."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(count):
            step()
        torch.cuda.synchronize()
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in profile.events() or ()
        if event.device_type == DeviceType.CUDA and not event.name.startswith(ANNOTATIONS)
    ]
    return len(spans) / count, covered(spans) / count / 1000


def covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total
