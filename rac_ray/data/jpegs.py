"""Clips of JPEG frames in shards: decoded, rendered and mirrored when they are loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from rac_ray.data.decoder import Frames, decoded_frame, decoded_frames
from rac_ray.data.order import Mirror
from rac_ray.data.source import Item, Loaded, Placed, StoredClip, from_shard, require_same
from rac_ray.store.storage import Storage

INPUT_SIZE = 224
"""Side of the frames that models see, in pixels; the aspect is not kept (facts.md 3.1)."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of channels in [0, 1]."""

Render = Callable[[str, Frames], Frames]
"""Clip id and frames (T, H, W, 3) to the frames of another domain."""


@dataclass(frozen=True)
class JpegClips(Placed):
    """Clips of a folder's shards, in the order of ``places``."""

    root: Storage
    find: Callable[[], list[StoredClip]]
    """Finds where the clips lie; asked when that is first needed."""
    render: Render | None = None
    mirror: Mirror | None = None

    def found(self) -> list[StoredClip]:
        """As ``find`` says."""
        return self.find()

    def items(self, epoch: int, places: Sequence[int]) -> list[Item]:
        """File, row, name and label, and whether the clip is mirrored in this epoch."""
        chosen = [self.places[place] for place in places]
        return [{**vars(each), "flip": bool(self.mirror and self.mirror(epoch, each.clip_id))} for each in chosen]

    @property
    def load(self) -> Callable[[Sequence[Item]], Loaded]:
        return partial(load_clips, self.root, self.render)


def load_clips(root: Storage, render: Render | None, items: Sequence[Item]) -> Loaded:
    """Clips as models see them, (N, T, 3, 224, 224) uint8."""
    cv2.setNumThreads(1)
    frames = np.stack([load_clip(root, item, render) for item in items])
    return Loaded(frames, np.array([item["label"] for item in items], np.int64))


def load_clip(root: Storage, item: Item, render: Render | None = None) -> Frames:
    """One clip as a model sees it, (T, 3, 224, 224) uint8: rendered, resized without antialiasing, mirrored.

    Raises BadInput for a shard that is gone or damaged, and when another clip lies where it was.
    """
    jpegs = from_shard(root, item["file"], partial(_jpegs, item))
    frames = map(decoded_frame, jpegs) if render is None else render(item["clip_id"], decoded_frames(jpegs))
    seen = np.empty((len(jpegs), 3, INPUT_SIZE, INPUT_SIZE), np.uint8)
    for frame, channels in zip(frames, seen, strict=True):
        resized = cv2.resize(frame, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_LINEAR)
        cv2.split(cv2.flip(resized, 1) if item["flip"] else resized, list(channels))
    return seen


def _jpegs(item: Item, file: pq.ParquetFile) -> list[bytes]:
    """The frames of one clip, which is a row group of its own."""
    row = file.read_row_group(item["row"], columns=["clip_id", "frames"], use_threads=False)
    require_same(item["file"], item, row["clip_id"][0].as_py())
    return row["frames"][0].as_py()


def normalised(clips: Tensor) -> Tensor:
    """Clips (B, T, 3, H, W) uint8 as float32 with ImageNet's mean and deviation taken out, on their device."""
    shape = (1, 1, 3, 1, 1)
    mean, deviation = (torch.tensor(each, device=clips.device).view(shape) for each in (MEAN, DEVIATION))
    return (clips.float() / 255 - mean) / deviation
