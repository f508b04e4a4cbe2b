"""One side of the comparison in a process of its own: ``python -m benchmarks.measure '<a Task as JSON>'``.

Before training and before evaluation it prints READY and waits for a line, so that several can begin together; its
last line is a Measured as JSON. ``benchmarks.speed`` starts it.
"""

import itertools
import json
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch

from benchmarks.plain import NUM_CLASSES, batches_of, build_plain, evaluate, optimiser_of, train_epoch
from benchmarks.roofline import synchronise
from rac_ray.data.feed import Opening, Place
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.shards import Clips
from rac_ray.data.subject import ShardSubject
from rac_ray.identity import Recipe
from rac_ray.models import Builder
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE, NUM_FRAMES
from rac_ray.training.evaluate import predict
from rac_ray.training.fit import fit

READY = "ready"
TRAIN, TEST = "train", "test"
"""Names of the two sets in a task's folder: each a folder of JPEG files, and ``.npz`` with the same clips."""
VAL = "val"
"""A single clip, for our validation, which is not counted."""
WARM_UP = {"cpu": 1, "cuda": 10}
"""Batches that are not counted: they pick kernels, start workers and fill queues."""
PREDICTED_CLIPS = {"cpu": 64, "cuda": 4096}
"""Clips of one call of ``predict``: a batch, or on a GPU about as many as a trial of the study is evaluated on."""
WITHOUT_END = 10**6


@dataclass(frozen=True)
class Task:
    """What one process measures."""

    side: Literal["plain", "ours"]
    model: str
    hidden_units: int
    batch_size: int
    seconds: float
    """Of each measurement, after the warm-up; the batch under way when they are over still counts."""
    device: str
    threads: int
    """torch's threads; 0 leaves its default."""
    folder: str
    cuda_graphs: bool = False
    """Whether our training steps are replayed, as the sweep does when it is told to."""

    @property
    def name(self) -> str:
        return f"{self.side}, {self.model} h={self.hidden_units}"


@dataclass(frozen=True)
class Measured:
    """What came out."""

    training: float
    """Clips per second."""
    evaluation: float
    """Clips per second."""
    peak_bytes: int
    training_steps: int
    """Counted ones."""


class Enough(Exception):
    """The time is over."""


class Meter:
    """Clips and seconds of batches, without the warm-up and what lies between ``pause`` and ``resume``."""

    def __init__(self, task: Task) -> None:
        self.device = torch.device(task.device)
        self.limit = task.seconds
        self.warm_up = WARM_UP[self.device.type]
        self.clips = 0
        self.steps = 0
        self.seconds = 0.0
        self.peak_bytes = 0
        self._since: float | None = None

    @property
    def rate(self) -> float:
        """Clips per second."""
        return self.clips / self.seconds

    def count(self, clips: int) -> None:
        """A batch of ``clips`` has ended; raises Enough when the time is over."""
        if self.warm_up:
            self.warm_up -= 1
            self.resume()
            return
        assert self._since is not None
        self.clips += clips
        self.steps += 1
        if self.seconds + time.perf_counter() - self._since >= self.limit:
            self.pause()
            self.peak_bytes = peak_bytes(self.device)
            raise Enough

    def pause(self) -> None:
        if self._since is not None:
            synchronise(self.device)
            self.seconds += time.perf_counter() - self._since
            self._since = None

    def resume(self) -> None:
        """Measure from here on, once the warm-up is over."""
        if not self.warm_up:
            synchronise(self.device)
            self._since = time.perf_counter()


def peak_bytes(device: torch.device) -> int:
    """Most memory so far: what torch allocated on a GPU; else resident, and what its workers now have to themselves."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    own = (  # unlike getrusage, the status does not count what the process was before it became this program
        int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
        if status.exists()
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )
    return own + sum(child.memory_full_info().uss for child in psutil.Process().children(recursive=True))


def until_enough(action: Callable[[], object]) -> None:
    """Repeat until a meter has seen enough."""
    try:
        while True:
            action()
    except Enough:
        return


def measure_plain(task: Task, wait: Callable[[], None]) -> Measured:
    """The plain loop over JPEG files."""
    device, folder = torch.device(task.device), Path(task.folder)
    torch.manual_seed(0)
    model = build_plain(task.model, task.hidden_units).to(device)
    optimiser, scaler = optimiser_of(model, Recipe()), torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
    train = batches_of(folder / TRAIN, task.batch_size, training=True, device=device)
    test = batches_of(folder / TEST, task.batch_size, training=False, device=device)
    training, evaluation = Meter(task), Meter(task)
    wait()
    until_enough(lambda: train_epoch(model, train, optimiser, scaler, device, training.count))
    wait()
    until_enough(lambda: evaluate(model, test, device, evaluation.count))
    return _measured(training, evaluation)


def measure_ours(task: Task, wait: Callable[[], None]) -> Measured:
    """The package's own ``fit``, of which validation is not counted, and ``predict``."""
    device = torch.device(task.device)
    settings: Any = {"batch_size": task.batch_size, "max_epochs": WITHOUT_END, "patience": WITHOUT_END}
    recipe = Recipe(**settings, precision="16-mixed" if device.type == "cuda" else "32")
    train, test = (_resident(Path(task.folder) / f"{name}.npz") for name in (TRAIN, TEST))
    build, opening = Builder(task.model, task.hidden_units), Opening(0, task.batch_size, Place(device=task.device))
    shape = (NUM_FRAMES, 1, FRAME_SIZE, FRAME_SIZE)
    subject = ShardSubject(build, TRAIN, VAL, NUM_CLASSES, shape, Storage.at(task.folder))
    feeds = ClipFeeds(subject, replace(opening, clips={TRAIN: train, VAL: _part(test, 0, 1)}))
    training, evaluation = Meter(task), Meter(task)
    steps, in_epoch = len(train) // task.batch_size, itertools.count(1)

    def trained_or_validated() -> None:
        number = next(in_epoch)
        if number <= steps:
            training.count(task.batch_size)
            if number == steps:
                training.pause()
        else:
            training.resume()

    def epoch_has_ended(_row: dict[str, Any]) -> None:
        nonlocal in_epoch
        in_epoch = itertools.count(1)

    wait()
    with tempfile.TemporaryDirectory() as scratch:
        place = Storage.at(scratch)
        until_enough(
            lambda: fit(
                build,
                recipe,
                0,
                feeds.train(),
                feeds.val(),
                place,
                device=device,
                report=epoch_has_ended,
                beat=trained_or_validated,
                cuda_graphs=task.cuda_graphs,
            )
        )
    model = build()
    size = min(PREDICTED_CLIPS[device.type], len(test))
    starts = itertools.cycle(range(0, len(test) - size + 1, size))

    def predict_some() -> None:
        first = next(starts)
        asked = ClipFeeds(subject, replace(opening, clips={TEST: _part(test, first, size)})).asked(TEST)
        predict(model, asked.batches, device=device, precision=recipe.precision)
        evaluation.count(size)

    wait()
    until_enough(predict_some)
    return _measured(training, evaluation)


def _measured(training: Meter, evaluation: Meter) -> Measured:
    peak = max(training.peak_bytes, evaluation.peak_bytes)
    return Measured(training.rate, evaluation.rate, peak, training.steps)


def _resident(path: Path) -> Clips:
    with np.load(path) as arrays:
        frames, labels = arrays["frames"], arrays["labels"]
    return Clips(frames, labels, [f"{index:06d}" for index in range(len(labels))])


def _part(clips: Clips, first: int, count: int) -> Clips:
    place = slice(first, first + count)
    return Clips(clips.frames[place], clips.labels[place], clips.clip_ids[place])


def main() -> None:
    task = Task(**json.loads(sys.argv[1]))
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    if task.threads:
        torch.set_num_threads(task.threads)

    def wait() -> None:
        print(READY, flush=True)
        sys.stdin.readline()

    sides = {"plain": measure_plain, "ours": measure_ours}
    print(json.dumps(asdict(sides[task.side](task, wait))), flush=True)


if __name__ == "__main__":
    main()
