"""Clips made ahead by Ray Data's tasks, in an order that can be taken up anywhere.

The order of an epoch is a permutation drawn from (seed, epoch), of which each rank takes every world-th clip; a clip's
flip is drawn from (seed, epoch, clip). So what a rank sees depends on nothing else, and a worker that comes back after
n steps goes on with step n. Reading, decoding, rendering and drawing run as Ray Data tasks, ahead of the worker.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from rac_ray.data.order import Share
from rac_ray.data.source import Item, Loaded, Source

READING_CPUS = 0.9
"""That a task which makes clips asks Ray for: on two cores a worker, a task and the trial that waits for both have to
fit."""
TASK_BYTES = 16_000_000
"""Of clips that a task makes at least, in whole steps: scheduling costs the same for any."""
PREFETCH = 2
"""Steps that are fetched ahead."""

Load = Callable[[Sequence[Item]], Loaded]


class StreamedBatches:
    """Batches of (clips (B, T, C, H, W) uint8, labels (B,) int64) of one rank, made ahead.

    ``for batch in batches.epoch(3, done=10)`` goes on in epoch 3 after ten steps.
    """

    def __init__(
        self, source: Source, shape: Sequence[int], share: Share, *, device: torch.device | str = "cpu"
    ) -> None:
        """``shape`` (T, C, H, W) is that of a clip."""
        self.source = source
        self.shape = tuple(shape)
        self.share = share
        self.clip_ids = source.clip_ids
        """Names of the clips of all workers."""
        self.device = torch.device(device)
        self.seconds = 0.0
        """Time spent on waiting for batches since it was last set to 0."""
        self.now = 0
        """Epoch that iterating gives; Lightning announces it through ``sampler.set_epoch``."""
        self.done = 0
        """Steps of it that have been given."""
        self.first = 0
        """Step with which iterating begins, once."""
        self.sampler, self.batch_sampler = self, None

    @property
    def labels_of_all(self) -> NDArray[np.int64]:
        """(N,)"""
        return self.source.labels

    def set_epoch(self, epoch: int) -> None:
        self.now = epoch

    def state_dict(self) -> dict[str, Any]:
        """How far the epoch has come, for a checkpoint in its middle."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.first = state["done"]

    def __len__(self) -> int:
        return self.share.steps(len(self.clip_ids))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The epoch that is announced when the first batch is asked for: after a checkpoint, Lightning says it late."""
        first, self.first = self.first % max(1, len(self)), 0
        for step, batch in enumerate(self.epoch(self.now, first), first):
            self.done = step + 1
            yield batch

    def epoch(self, epoch: int, done: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch after the first ``done`` of them."""
        order = self.share.order(len(self.clip_ids), epoch)
        steps = [self.source.items(epoch, order[self.share.mine(step)].tolist()) for step in range(done, len(self))]
        made = made_ahead(self.source.load, steps, int(np.prod(self.shape)))
        while True:
            began = time.perf_counter()
            loaded = next(made, None)
            if loaded is None:
                return
            moved = torch.from_numpy(loaded.frames).to(self.device), torch.from_numpy(loaded.labels).to(self.device)
            self.seconds += time.perf_counter() - began
            yield moved


def made_ahead(load: Load, steps: Sequence[list[Item]], clip_bytes: int) -> Iterator[Loaded]:
    """What ``load`` makes of each step's items, in their order: by Ray Data where Ray runs, else one after the other.

    The arrays are the caller's own.
    """
    import ray

    if not steps:
        return
    if not ray.is_initialized():
        yield from map(load, steps)
        return
    import ray.data

    quiet_and_ordered()
    per_task = max(1, TASK_BYTES // (clip_bytes * max(map(len, steps))))
    rows = ray.data.from_items([{"step": step} for step in steps], override_num_blocks=-(-len(steps) // per_task))
    make: Any = partial(_made, load)
    flow = rows.map_batches(make, batch_size=None, batch_format="pyarrow", num_cpus=READING_CPUS)
    options: Any = {"batch_size": 1, "batch_format": "pyarrow", "prefetch_batches": PREFETCH}
    for batch in flow.iter_batches(**options):
        yield _loaded(batch)


def quiet_and_ordered() -> None:
    """Have Ray Data's pipelines of this process keep the order of their rows, and say nothing but warnings."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True


def _made(load: Load, steps: pa.Table) -> pa.Table:
    """Steps of clips, each as one row: pixels as bytes, their shape, and labels."""
    made = [load(step) for step in steps["step"].to_pylist()]
    return pa.table(
        {
            "frames": pa.array([each.frames.tobytes() for each in made], pa.large_binary()),
            "shape": pa.array([each.frames.shape for each in made], pa.list_(pa.int64())),
            "labels": pa.array([each.labels for each in made], pa.list_(pa.int64())),
        }
    )


def _loaded(row: pa.Table) -> Loaded:
    """One step, in memory of its own: Ray's is read-only and goes."""
    pixels = np.frombuffer(row["frames"][0].as_buffer(), np.uint8).reshape(row["shape"][0].as_py())
    return Loaded(pixels.copy(), np.array(row["labels"][0].as_py(), np.int64))
