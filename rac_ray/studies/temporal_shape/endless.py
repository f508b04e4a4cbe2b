"""Training clips without end: each epoch's are drawn for it, by Ray's tasks while the epoch before trains.

Clip i of epoch e is a pure function of (spec, seed, e, i), so a training that is resumed or repeated sees the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rac_ray.data.shards import Rows, Shard, write_shard
from rac_ray.data.source import Item, Loaded
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.dataset import GeneratedClips, row_of
from rac_ray.studies.temporal_shape.domains import endless_clip
from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE, NUM_FRAMES

FOLDER = "endless"
"""Of the data folder, for clips that are kept."""


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
    """Clips of an epoch, (N, 20, 1, 64, 64) uint8; with ``source.keep`` they are written to a shard as well."""
    spec, where = source.dataset.shape, (source.domain, source.seed)
    clips = [endless_clip(spec, *where, item["epoch"], item["index"]) for item in items]
    if source.keep is not None:
        part = f"{source.domain}/{FOLDER}"
        rows = [
            {**row_of(part, item["index"], clip), "clip_id": clip_id_of(source, item)}
            for item, clip in zip(items, clips, strict=True)
        ]
        _keep(source.keep, source, items, rows)
    frames = np.stack([clip.frames for clip in clips]).reshape(-1, NUM_FRAMES, 1, FRAME_SIZE, FRAME_SIZE)
    return Loaded(frames, np.array([clip.label for clip in clips], np.int64))


def clip_id_of(source: EndlessClips, item: Item) -> str:
    """Name of a clip among all that a seed ever sees."""
    return f"{source.domain}/{FOLDER}/seed-{source.seed}/epoch-{item['epoch']:04d}/{item['index']:06d}"


def _keep(root: Storage, source: EndlessClips, items: Sequence[Item], rows: list[dict[str, object]]) -> None:
    """Write a step's clips as one file, unless a training of the same seed has written them already."""
    first, last = items[0], items[-1]
    folder = f"{FOLDER}/{source.domain}/seed-{source.seed}/epoch-{first['epoch']:04d}"
    shard = Shard(f"{folder}/{first['index']:06d}-{last['index']:06d}", 0, 1, first["index"], len(rows))
    if not root.exists(shard.name):
        write_shard(
            root, shard, source.dataset.layout(source.domain), Rows(rows), {"identity": source.dataset.identity()}
        )
