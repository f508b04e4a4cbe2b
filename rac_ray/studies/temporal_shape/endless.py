"""Training clips without end: each epoch's are drawn for it, by Ray's tasks while the epoch before trains.

Clip i of epoch e is a pure function of (spec, seed, e, i), so a training that is resumed or repeated sees the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rac_ray.data.ahead import TASK_CLIPS
from rac_ray.data.shards import Rows, Shard, write_shard
from rac_ray.data.source import Item, Loaded
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.clip import Clip
from rac_ray.studies.temporal_shape.dataset import GeneratedClips, row_of
from rac_ray.studies.temporal_shape.domains import endless_clip
from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE, NUM_FRAMES

FOLDER = "endless"
"""Of the data folder, for clips that are kept."""
KEPT_CLIPS = TASK_CLIPS
"""Of a file of these: what a task draws whose epoch began at its first clip, and that has no other worker beside it."""


@dataclass(frozen=True)
class EndlessClips:
    """The training clips of one seed, ``clips`` in an epoch."""

    dataset: GeneratedClips
    domain: str
    clips: int
    seed: int
    keep: Storage | None
    """Data folder to which clips are written as well, below ``endless``; None: they are forgotten."""

    @property
    def clip_ids(self) -> list[str]:
        """Their numbers in an epoch."""
        return [f"{index:06d}" for index in range(self.clips)]

    def items(self, epoch: int, places: Sequence[int]) -> list[Item]:
        """Epoch and number."""
        return [{"epoch": epoch, "index": place} for place in places]

    @property
    def load(self) -> Callable[[Sequence[Item]], Loaded]:
        """Draws them."""
        return partial(draw, self)


def draw(source: EndlessClips, items: Sequence[Item]) -> Loaded:
    """Clips of an epoch, (N, 20, 1, 64, 64) uint8; with ``source.keep`` they are written to shards as well."""
    clips = [_drawn(source, item["epoch"], item["index"]) for item in items]
    if source.keep is not None:
        by_epoch: dict[int, dict[int, Clip]] = {}
        for item, clip in zip(items, clips, strict=True):
            by_epoch.setdefault(item["epoch"], {})[item["index"]] = clip
        for epoch, made in by_epoch.items():
            _keep(source.keep, source, epoch, made)
    frames = np.stack([clip.frames for clip in clips]).reshape(-1, NUM_FRAMES, 1, FRAME_SIZE, FRAME_SIZE)
    return Loaded(frames, np.array([clip.label for clip in clips], np.int64))


def clip_id_of(source: EndlessClips, item: Item) -> str:
    """Name of a clip among all that a seed ever sees."""
    return f"{source.domain}/{FOLDER}/seed-{source.seed}/epoch-{item['epoch']:04d}/{item['index']:06d}"


def _drawn(source: EndlessClips, epoch: int, index: int) -> Clip:
    return endless_clip(source.dataset.shape, source.domain, source.seed, epoch, index)


def _keep(root: Storage, source: EndlessClips, epoch: int, made: Mapping[int, Clip]) -> None:
    """Write the files in which clips of an epoch are, unless somebody has written them already.

    A file is of the same clips whoever writes it: those that another worker has, or that an epoch which is taken up in
    its middle passes by, are drawn for it.
    """
    part, folder = f"{source.domain}/{FOLDER}", f"{FOLDER}/{source.domain}/seed-{source.seed}/epoch-{epoch:04d}"
    for first in sorted({index - index % KEPT_CLIPS for index in made}):
        numbers = range(first, min(first + KEPT_CLIPS, source.clips))
        shard = Shard(f"{folder}/{first:06d}-{numbers[-1]:06d}", 0, 1, first, len(numbers))
        if root.exists(shard.name):
            continue
        rows = [
            {
                **row_of(part, index, made[index] if index in made else _drawn(source, epoch, index)),
                "clip_id": clip_id_of(source, {"epoch": epoch, "index": index}),
            }
            for index in numbers
        ]
        write_shard(
            root, shard, source.dataset.layout(source.domain), Rows(rows), {"identity": source.dataset.identity()}
        )
