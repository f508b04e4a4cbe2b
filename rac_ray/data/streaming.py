"""Clips of JPEG frames from shards to a worker's device, through Ray Data, in an order that can be taken up anywhere.

The order of an epoch is a permutation drawn from (seed, epoch), of which each rank takes every world-th clip; a clip's
flip is drawn from (seed, epoch, clip). So what a rank sees depends on nothing else, and a worker that comes back after
n steps goes on with step n. Reading, JPEG, flip and resizing run as Ray Data tasks, ahead of the worker.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from rac_ray.data.decoder import Frames, decoded_frames
from rac_ray.data.manifest import require_manifest
from rac_ray.errors import BadInput
from rac_ray.identity import seed_for
from rac_ray.store.storage import Storage

if TYPE_CHECKING:
    from ray.data import Dataset

INPUT_SIZE = 224
"""Side of the frames that models see, in pixels; the aspect is not kept (facts.md 3.1)."""
FLIP = 0.5
"""Probability that a clip is mirrored, all its frames together."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of channels in [0, 1]."""
READING_CPUS = 0.9
"""That a task which reads clips asks Ray for: on two cores a worker, a task and the trial that waits for both have to
fit."""
CLIPS_PER_TASK = 8
"""Of a Ray Data task: with four, scheduling costs a seventh of the speed."""
PREFETCH = 2
"""Batches that are made ahead."""

Render = Callable[[str, Frames], Frames]
"""Clip id and frames (T, H, W, 3) to the frames of another domain."""


@dataclass(frozen=True)
class StoredClip:
    """Where a clip lies."""

    clip_id: str
    label: int
    file: str
    row: int


@dataclass(frozen=True)
class Feed:
    """How clips are fed to one worker."""

    seed: int
    batch_size: int
    """Clips of a step over all workers."""
    shuffle: bool = True
    """Also drops the last short batch of an epoch."""
    flip: bool = True
    """In training; the authors' validation had it too (facts.md 3.1)."""
    rank: int = 0
    world: int = 1
    uneven: bool = False
    """Whether workers may have shares of a step that differ by a clip: in a group that shrinks and grows."""

    def __post_init__(self) -> None:
        if self.batch_size < self.world:
            raise BadInput(f"{self.world} workers for steps of {self.batch_size} clips; valid: one clip each, or more")
        if self.batch_size % self.world and not self.uneven:
            raise BadInput(f"batch size {self.batch_size} cannot be shared by {self.world} workers")

    @property
    def share(self) -> int:
        """Clips of a step that are this rank's."""
        return len(range(self.rank, self.batch_size, self.world))

    def steps(self, clips: int) -> int:
        """Of an epoch; the same for every rank in training."""
        if self.shuffle:
            return clips // self.batch_size
        return -(-len(range(self.rank, clips, self.world)) // self.share)

    def order(self, clips: int, epoch: int) -> NDArray[np.int64]:
        """Indices of this rank's clips in an epoch."""
        if not self.shuffle:
            return np.arange(self.rank, clips, self.world)
        generator = np.random.Generator(np.random.Philox(key=seed_for("order", self.seed), counter=epoch << 64))
        steps = clips // self.batch_size
        whole = generator.permutation(clips)[: steps * self.batch_size].reshape(steps, self.batch_size)
        return whole[:, self.rank :: self.world].ravel()

    def flipped(self, clip_id: str, epoch: int) -> bool:
        """Whether a clip is mirrored in an epoch."""
        return self.flip and seed_for("flip", self.seed, epoch, clip_id) / 2**63 < FLIP


def places(root: Storage, split: str, clip_ids: Collection[str] | None = None) -> list[StoredClip]:
    """The clips of a split's shards in their order, or those of ``clip_ids``.

    Raises BadInput for a split that is not there, and for clips that no shard has.
    """
    manifest = require_manifest(root)
    if split not in manifest["splits"]:
        raise BadInput(f"{root.root!r} has no split {split!r}; valid: {', '.join(manifest['splits'])}")
    found = []
    for shard in manifest["splits"][split]["shards"]:
        table = root.read_columns(shard["file"], ["clip_id", "label"])
        rows = zip(table["clip_id"].to_pylist(), table["label"].to_pylist(), strict=True)
        found += [StoredClip(clip_id, label, shard["file"], row) for row, (clip_id, label) in enumerate(rows)]
    if clip_ids is None:
        return found
    wanted = set(clip_ids)
    lacking = sorted(wanted - {place.clip_id for place in found} - set(manifest["splits"][split]["left_out"]))
    if lacking:
        raise BadInput(f"{root.root!r} has no clip {lacking[0]!r} in {split!r}")
    return [place for place in found if place.clip_id in wanted]


class StreamedBatches:
    """Batches of (clips (B, T, 3, 224, 224) uint8, labels (B,) int64) of one rank, through Ray Data.

    ``for batch in batches.epoch(3, done=10)`` goes on in epoch 3 after ten steps.
    """

    def __init__(
        self,
        root: Storage,
        clips: Sequence[StoredClip],
        feed: Feed,
        *,
        device: torch.device | str = "cpu",
        render: Render | None = None,
    ) -> None:
        if feed.shuffle and len(clips) < feed.batch_size:
            raise BadInput(f"{len(clips)} training clips do not fill one batch of {feed.batch_size}")
        self.root = root
        self.clips = clips
        self.feed = feed
        self.device = torch.device(device)
        self.render = render
        self.seconds = 0.0
        """Time spent on waiting for batches since it was last set to 0."""
        self.now = 0
        """Epoch that iterating gives; Lightning announces it through ``sampler.set_epoch``."""
        self.sampler, self.batch_sampler = self, None

    def set_epoch(self, epoch: int) -> None:
        self.now = epoch

    def __len__(self) -> int:
        return self.feed.steps(len(self.clips))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The epoch that is announced when the first batch is asked for: after a checkpoint, Lightning says it late."""
        yield from self.epoch(self.now)

    def epoch(self, epoch: int, done: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch after the first ``done`` of them."""
        mine, share = self.feed.order(len(self.clips), epoch), self.feed.share
        items = [self._item(self.clips[index], epoch) for index in mine[done * share :]]
        if not items:
            return
        pipeline = _loaded(items, self.root, self.render)
        options: Any = {"batch_size": share, "batch_format": "pyarrow", "prefetch_batches": PREFETCH}
        batches = iter(pipeline.iter_batches(**options))
        while True:
            began = time.perf_counter()
            batch: Any = next(batches, None)
            if batch is None:
                return
            moved = _pixels(batch["frames"]).to(self.device), torch.tensor(batch["label"].to_numpy()).to(self.device)
            self.seconds += time.perf_counter() - began
            yield moved

    def _item(self, place: StoredClip, epoch: int) -> dict[str, Any]:
        flip = self.feed.flipped(place.clip_id, epoch)
        return {"clip_id": place.clip_id, "label": place.label, "file": place.file, "row": place.row, "flip": flip}


def _pixels(column: pa.ChunkedArray) -> Tensor:
    """Clips of bytes as (B, T, 3, 224, 224) uint8, in memory of their own: Ray's is read-only and goes."""
    clips = [np.frombuffer(value.as_buffer(), np.uint8) for value in column]
    return torch.from_numpy(np.stack(clips)).view(len(clips), -1, 3, INPUT_SIZE, INPUT_SIZE)


def normalised(clips: Tensor) -> Tensor:
    """Clips (B, T, 3, H, W) uint8 as float32 with ImageNet's mean and deviation taken out, on their device."""
    shape = (1, 1, 3, 1, 1)
    mean, deviation = (torch.tensor(each, device=clips.device).view(shape) for each in (MEAN, DEVIATION))
    return (clips.float() / 255 - mean) / deviation


def load_clip(root: Storage, item: dict[str, Any], render: Render | None = None) -> Frames:
    """One clip as a model sees it, (T, 3, 224, 224) uint8: rendered, mirrored, resized without antialiasing."""
    system, path = root.resolve(item["file"])
    with system.open_input_file(path) as stream:
        jpegs = pq.ParquetFile(stream).read_row_group(item["row"], columns=["frames"])["frames"][0].as_py()
    frames = decoded_frames(jpegs)
    if render is not None:
        frames = render(item["clip_id"], frames)
    resized = np.stack(
        [cv2.resize(frame, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_LINEAR) for frame in frames]
    )
    mirrored = resized[:, :, ::-1] if item["flip"] else resized
    return np.ascontiguousarray(mirrored.transpose(0, 3, 1, 2))


def _loaded(items: list[dict[str, Any]], root: Storage, render: Render | None) -> "Dataset":
    """A Ray Data pipeline over ``items`` that keeps their order."""
    import ray.data

    quiet_and_ordered()
    rows = ray.data.from_items(items, override_num_blocks=-(-len(items) // CLIPS_PER_TASK))
    frames = partial(_with_frames, root, render)
    return rows.map_batches(frames, batch_size=None, batch_format="pyarrow", num_cpus=READING_CPUS)


def quiet_and_ordered() -> None:
    """Have Ray Data's pipelines of this process keep the order of their rows, and say nothing but warnings."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True


def _with_frames(root: Storage, render: Render | None, items: pa.Table) -> pa.Table:
    """Clips as bytes, a plain column as in shards."""
    cv2.setNumThreads(1)
    clips = [load_clip(root, item, render).tobytes() for item in items.to_pylist()]
    return pa.table({"label": items["label"], "frames": pa.array(clips, pa.large_binary())})
