"""Diving48's videos as a dataset: evenly spaced frames as JPEG, at each video's own size. No Ray.

``<root>/<split>-00000-of-00235.parquet`` has one row per clip of an official split, in its list's order. A row is a row
group of its own: training reads clips in a random order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rac_ray.data.dataset import Dataset
from rac_ray.data.decoder import (
    JPEG_QUALITY,
    SECONDS,
    VIDEO_COLUMNS,
    Decoded,
    Decoder,
    decoded_frames,
    decoded_rows,
    stamp_of,
)
from rac_ray.data.manifest import require_manifest
from rac_ray.data.shards import Layout, Rows, Shard, shards_of
from rac_ray.errors import BadInput
from rac_ray.identity import digest_of
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.lists import CLASSES, FILES, SPLITS, VIDEOS, Annotation, read_annotations
from rac_ray.studies.diving48.sizes import NUM_FRAMES

CLIPS_PER_SHARD = 64
FORMAT_VERSION = 3
"""Raised whenever the same videos give other rows."""

OFFICIAL_COLUMNS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("split", pa.string()),
        ("place", pa.int32()),
        ("label", pa.int8()),
        ("label_name", pa.string()),
        ("source_video", pa.string()),
        ("frames", pa.list_(pa.binary())),
        *VIDEO_COLUMNS,
    ]
)
"""``place`` is the clip's in the official list."""


@dataclass(frozen=True)
class OfficialVideos(Dataset):
    """The clips of a download, which all machines have to see."""

    folder: Path
    lists: Mapping[str, Sequence[Annotation]]
    """Clips by official split."""
    seconds: float = SECONDS
    """Most that one video may take to decode."""
    clips_per_shard: int = CLIPS_PER_SHARD
    frames: int = NUM_FRAMES
    quality: int = JPEG_QUALITY
    """Of the JPEG frames."""

    @classmethod
    def at(cls, folder: Path, **options: Any) -> "OfficialVideos":
        """All that the download in ``folder`` lists. Raises BadInput for lists that cannot be read."""
        return cls(folder, {split: read_annotations(folder, split) for split in FILES}, **options)

    def identity(self) -> dict[str, Any]:
        """Digest of both lists, and how frames are stored."""
        lists = digest_of([[(clip.video_id, clip.label) for clip in each] for each in self.lists.values()])
        stored = {"frames": self.frames, "quality": self.quality}
        return {"kind": "diving48", "format": FORMAT_VERSION, "lists": lists, **stored}

    def parts(self) -> Mapping[str, list[Shard]]:
        """The official splits."""
        return {split: shards_of(split, len(clips), self.clips_per_shard) for split, clips in self.lists.items()}

    def layout(self, part: str) -> Layout:
        """JPEG files, a clip a row group."""
        return Layout(OFFICIAL_COLUMNS, [Annotation("", label).label_name for label in range(CLASSES)], row_group=1)

    def maker(self) -> Callable[[Shard], Rows]:
        """Decodes videos of ``<folder>/rgb``."""
        return partial(_decoded, self)

    def there(self, name: str) -> str:
        """Size and time of the clip's video."""
        return stamp_of(self._video(name))

    def videos(self, shard: Shard) -> list[tuple[Annotation, Path]]:
        """The clips of a shard and their files."""
        return [(clip, self._video(clip.video_id)) for clip in self.clips_of(shard)]

    def _video(self, video_id: str) -> Path:
        return self.folder / VIDEOS / f"{video_id}.mp4"

    def clips_of(self, shard: Shard) -> Sequence[Annotation]:
        """In the order of the list."""
        return self.lists[shard.part][shard.first : shard.first + shard.rows]

    def about(self) -> dict[str, Any]:
        """The clips of ``val`` by the ways to cut the official train list."""
        train = self.lists["train"]
        return {"val": {name: sorted(clip.video_id for clip in cut(train)["val"]) for name, cut in SPLITS.items()}}


def find_clip(root: Storage, clip_id: str) -> NDArray[np.uint8]:
    """The frames (T, H, W, 3) of a clip, wherever it is in a folder of shards; BadInput when it is not there."""
    for split in require_manifest(root)["splits"].values():
        for shard in split["shards"]:
            file = pq.ParquetFile(pa.BufferReader(root.read_bytes(shard["file"])))
            clip_ids = file.read(columns=["clip_id"])["clip_id"].to_pylist()
            if clip_id in clip_ids:
                row = file.read_row_group(clip_ids.index(clip_id), columns=["frames"])
                return decoded_frames(row["frames"][0].as_py())
        if clip_id in split["left_out"]:
            raise BadInput(f"clip {clip_id!r} is left out: it {split['left_out'][clip_id]}")
    raise BadInput(f"{root.root!r} has no clip {clip_id!r}")


def _decoded(dataset: OfficialVideos, shard: Shard) -> Rows:
    """The clips of a shard."""
    decoder = Decoder(dataset.frames, dataset.quality, dataset.seconds)
    videos = zip(shard.places, dataset.videos(shard), strict=True)
    return decoded_rows(
        decoder, [(clip.video_id, path, partial(_row, shard.part, place, clip)) for place, (clip, path) in videos]
    )


def _row(split: str, place: int, clip: Annotation, decoded: Decoded) -> dict[str, Any]:
    return {
        "clip_id": clip.video_id,
        "split": split,
        "place": place,
        "label": clip.label,
        "label_name": clip.label_name,
        "source_video": clip.source_video,
        "frames": list(decoded.jpegs),
    }
