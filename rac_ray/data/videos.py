"""Labelled videos of a folder as a dataset: square RGB frames, evenly spaced over each video. No Ray.

``<root>/<domain>/<split>-00000-of-00003.parquet`` has one row per clip, in the order of the videos' paths. The aspect
of the videos is not kept.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rac_ray.data.dataset import Dataset
from rac_ray.data.decoder import SECONDS, VIDEO_COLUMNS, Decoded, Decoder, decoded_frames, decoded_rows
from rac_ray.data.shards import Layout, Rows, Shard, shards_of
from rac_ray.data.video_folder import Arrangement, LabelledVideo, listing
from rac_ray.errors import BadInput

VIDEOS_PER_SHARD = 64
CLIP_FORMAT = 2
"""Raised whenever the same videos give other rows."""
RGB = 3
"""Red, green, blue."""

LABELLED_COLUMNS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("domain", pa.string()),
        ("split", pa.string()),
        ("label", pa.int32()),
        ("label_name", pa.string()),
        ("frames", pa.binary()),
        ("video", pa.string()),
        *VIDEO_COLUMNS,
    ]
)
"""``video`` is the file's path below the folder."""


def rgb_shape(num_frames: int, frame_size: int) -> tuple[int, int, int, int]:
    """(T, C, H, W) of a clip."""
    return (num_frames, RGB, frame_size, frame_size)


@dataclass(frozen=True)
class LabelledVideos(Dataset):
    """The clips of an arrangement of a folder's videos, which all machines have to see."""

    folder: Path
    arrangement: Arrangement
    num_frames: int
    frame_size: int
    """Side of a frame, in pixels."""
    seconds: float = SECONDS
    """Most that one video may take to decode."""

    unit = "videos"
    made = "decoded"

    @property
    def clip_bytes(self) -> int:
        """Those of the pixels, uncompressed."""
        return math.prod(rgb_shape(self.num_frames, self.frame_size))

    def identity(self) -> dict[str, Any]:
        """Size and classes."""
        size = {"num_frames": self.num_frames, "frame_size": self.frame_size}
        return {"kind": "labelled_videos", "format": CLIP_FORMAT, **size, "classes": list(self.arrangement.classes)}

    def parts(self) -> Mapping[str, list[Shard]]:
        """Shards of at most VIDEOS_PER_SHARD videos."""
        return {part: shards_of(part, len(v), VIDEOS_PER_SHARD) for part, v in self.arrangement.parts.items()}

    def layout(self, part: str) -> Layout:
        """Raw pixels."""
        return Layout(LABELLED_COLUMNS, self.arrangement.classes, rgb_shape(self.num_frames, self.frame_size))

    def maker(self) -> Callable[[Shard], Rows]:
        """Decodes videos. Raises BadInput where no decoder is installed."""
        if find_spec("av") is None:
            raise BadInput("decoding videos needs PyAV; install it with `pip install 'rac-ray[videos]'`")
        return partial(_decoded, self)

    def made_of(self, shard: Shard) -> str:
        """The names, sizes and times of the files."""
        return listing(self.videos_of(shard))

    def videos_of(self, shard: Shard) -> Sequence[LabelledVideo]:
        """In the order of their clips."""
        return self.arrangement.parts[shard.part][shard.first : shard.first + shard.rows]

    def keeps(self, part: str, manifest: Mapping[str, Any]) -> bool:
        """Target domains that were decoded before and whose folders are still there."""
        domain, source = part.partition("/")[0], self.arrangement.source
        return domain != source and f"{domain}/train" not in manifest["splits"] and (self.folder / domain).is_dir()

    def accept(self, left_out: Mapping[str, str]) -> None:
        """Raise BadInput for a class that is left without clips."""
        self.arrangement.require_clips(left_out)


def squares(decoded: Decoded, size: int) -> NDArray[np.uint8]:
    """A video's frames (T, C, H, W), RGB, each resized to ``size`` by ``size`` pixels."""
    frames = [cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA) for frame in decoded_frames(decoded.jpegs)]
    return np.ascontiguousarray(np.stack(frames).transpose(0, 3, 1, 2), np.uint8)


def _decoded(dataset: LabelledVideos, shard: Shard) -> Rows:
    """The clips of a shard."""
    decoder = Decoder(dataset.num_frames, seconds=dataset.seconds)
    videos = dataset.videos_of(shard)
    return decoded_rows(decoder, [(v.path, dataset.folder / v.path, partial(_row, dataset, shard, v)) for v in videos])


def _row(dataset: LabelledVideos, shard: Shard, video: LabelledVideo, decoded: Decoded) -> dict[str, Any]:
    domain, _, split = shard.part.partition("/")
    return {
        "clip_id": f"{shard.part}/{video.class_name}/{video.name}",
        "domain": domain,
        "split": split,
        "label": dataset.arrangement.classes.index(video.class_name),
        "label_name": video.class_name,
        "frames": squares(decoded, dataset.frame_size).tobytes(),
        "video": video.path,
    }
