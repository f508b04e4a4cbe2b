"""The feeds: ``python -m benchmarks.feeds`` (about six minutes on two cores).

How long trainings wait for clips that are streamed or drawn; clips per second of the feed beside PyTorch's
``DataLoader`` and beside plain processes that hand on nothing, of Temporal Shape and of clips like Diving48's; memory
while an epoch of twenty object stores is read, and while one is trained.
"""

import itertools
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import ray
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.diving48 import make_videos
from benchmarks.run import Row, machine
from rac_ray.cli.exits import run_command
from rac_ray.data.feed import Opening
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.generate import generate
from rac_ray.data.jpegs import JpegClips
from rac_ray.data.order import Mirror, Share
from rac_ray.data.source import Source, StoredClips, places
from rac_ray.data.streaming import StreamedBatches
from rac_ray.data.subject import ShardSubject
from rac_ray.identity import Recipe
from rac_ray.models import Builder
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OfficialVideos
from rac_ray.studies.diving48.feed import DivingSubject
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec
from rac_ray.studies.temporal_shape.endless import EndlessClips
from rac_ray.training.fit import Fit, fit

GREY = (20, 1, 64, 64)
STORE = 100_000_000
"""Bytes of the object store."""
PROCESSES = 2


class Ready(Dataset[tuple[np.ndarray, int]]):
    """A source's clips as PyTorch's loaders want them."""

    def __init__(self, source: Source, order: Sequence[int]) -> None:
        self.load, self.items = source.load, source.items(0, order)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> tuple[np.ndarray, int]:
        loaded = self.load([self.items[place]])
        return loaded.frames[0], int(loaded.labels[0])


def plain(load: Callable[[Sequence[dict]], object], items: list[dict], batch: int, together: Any, took: Any) -> None:
    """What one plain process does, once all are ready: batch after batch, each thrown away."""
    cv2.setNumThreads(1)
    load(items[:1])
    together.wait()
    began = time.perf_counter()
    for first in range(0, len(items), batch):
        load(items[first : first + batch])
    took.put(time.perf_counter() - began)


def rates(source: Source, shape: tuple[int, ...], batch: int) -> Iterator[tuple[str, float]]:
    """Clips per second in a random order: of plain processes, of PyTorch's loader, of our feed."""
    share = Share(batch, key=1)
    clips = share.steps(len(source.clip_ids)) * batch
    order = share.order(len(source.clip_ids), 0)[:clips].tolist()
    items = source.items(0, order)
    context = multiprocessing.get_context("spawn")  # a fork of a process with Arrow's threads may wait for ever
    together, took = context.Barrier(PROCESSES), context.Queue()
    for number in range(PROCESSES):
        given = (source.load, items[number::PROCESSES], batch, together, took)
        context.Process(target=plain, args=given, daemon=True).start()
    yield f"{PROCESSES} plain processes", clips / max(took.get() for _ in range(PROCESSES))
    ready = Ready(source, order)
    loader = DataLoader(ready, batch, num_workers=PROCESSES, multiprocessing_context="spawn", persistent_workers=True)
    for _ in loader:  # starts its processes
        continue
    began = time.perf_counter()
    for _ in loader:
        continue
    yield f"DataLoader, {PROCESSES} workers", clips / (time.perf_counter() - began)
    del loader
    batches = StreamedBatches(source, shape, share)
    for _ in batches.epoch(1):  # starts Ray's processes
        continue
    began = time.perf_counter()
    for _ in batches.epoch(0):
        continue
    yield "our feed", clips / (time.perf_counter() - began)


def trained(
    root: Storage, build: Builder, recipe: Recipe, endless: Any = None, beat: Callable[[], None] = lambda: None
) -> Fit:
    """A training on one core, which calls ``beat`` after each step."""
    subject = ShardSubject(build, "2dot/train", "2dot/val", 5, GREY, root, endless)
    feeds = ClipFeeds(subject, Opening(0, recipe.batch_size))
    with tempfile.TemporaryDirectory() as scratch:
        where, device = Storage.at(scratch), torch.device("cpu")
        return fit(build, recipe, 0, feeds.train(), feeds.val(), where, device=device, beat=beat)


def waits(root: Storage, model: str, drawn: bool) -> Iterator[Row]:
    """Share of an epoch in which a training on one core waits for clips, the other core making them."""
    dataset = GeneratedClips(TemporalShapeSpec(), {"2dot/train": 4000, "2dot/val": 200})
    endless = partial(EndlessClips, dataset, "2dot", 4000) if drawn else None
    told = trained(root, Builder(model, 8), Recipe(max_epochs=2, precision="32"), endless).epochs
    how = "drawn" if drawn else "streamed"
    for row in told:
        name = f"waiting in epoch {row['epoch']}, {model} h=8, {how} ({row['clips'] / row['seconds']:.0f} clips/s)"
        yield name, f"{100 * row['loader_wait_share']:.1f} %", "at most 5 %"


def memory(root: Storage) -> Iterator[Row]:
    """Growth of all processes and the object store over an epoch of twenty times its bytes, read and trained."""
    batches = StreamedBatches(StoredClips(root, "2dot/train", GREY), GREY, Share(64, key=1))
    size = len(batches.clip_ids) * int(np.prod(GREY))
    yield weighed(f"read, {size / 1e9:.1f} GB", lambda beat: [beat() for _ in batches.epoch(0)])
    given = root, Builder("cnn3d", 2), Recipe(batch_size=64, max_epochs=1, precision="32")
    yield weighed(f"trained by cnn3d h=2, {size / 1e9:.1f} GB", lambda beat: trained(*given, beat=beat))


def weighed(name: str, act: Callable[[Callable[[], None]], object]) -> Row:
    """Memory of all processes at every twentieth step of what calls back after each."""
    used, steps, me = [], itertools.count(), psutil.Process()

    def beat() -> None:
        if next(steps) % 20 == 0:
            used.append(sum(each.memory_full_info().pss for each in (me, *me.children(recursive=True))))

    act(beat)
    first, most, last = (round(each / 1e6) for each in (used[1], max(used), used[-1]))
    name = f"an epoch {name} through an object store of {STORE / 1e6:.0f} MB: memory of all processes"
    return name, f"{first} MB at first, {most} MB at most, {last} MB at last", "flat"


def main() -> int:
    torch.set_num_threads(1)
    print(f"{machine()}, {time.strftime('%Y-%m-%d')}\n")
    print("| what | found | wanted |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        shapes, dives = Storage.at(f"{scratch}/shapes"), Storage.at(f"{scratch}/dives")
        videos = OfficialVideos(Path(scratch), {"train": make_videos(Path(scratch), 240)})
        ray.init("local", num_cpus=2, object_store_memory=20 * STORE, include_dashboard=False, log_to_driver=False)
        generate(shapes, GeneratedClips(TemporalShapeSpec(), {"2dot/train": 4000, "2dot/val": 200}))
        generate(dives, videos)
        jpegs = JpegClips(dives, partial(places, dives, "train"), mirror=Mirror(1))
        for name, source, shape, batch in (
            ("Temporal Shape", StoredClips(shapes, "2dot/train", GREY), GREY, 64),
            ("Diving48", jpegs, DivingSubject.clip_shape, 8),
        ):
            for how, rate in rates(source, shape, batch):
                print(f"| {name}, clips/s, {how} | {rate:.0f} | ours 80 % of plain |", flush=True)
        for model, drawn in (("cnn3d", False), ("timesformer1", True)):
            for what in waits(shapes, model, drawn):
                print(f"| {' | '.join(what)} |", flush=True)
        ray.shutdown()
        large = Storage.at(f"{scratch}/large")
        ray.init("local", num_cpus=2, object_store_memory=STORE, include_dashboard=False, log_to_driver=False)
        generate(large, GeneratedClips(TemporalShapeSpec(), {"2dot/train": 25_000, "2dot/val": 200}))
        for what in memory(large):
            print(f"| {' | '.join(what)} |", flush=True)
        ray.shutdown()
    return 0


if __name__ == "__main__":
    run_command(main)
