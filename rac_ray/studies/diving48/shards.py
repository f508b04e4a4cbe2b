"""Diving48's videos as Parquet shards of JPEG frames: what a shard holds, how one is made and read. No Ray.

``<root>/<split>-00000-of-00235.parquet`` has one row per clip of an official split, in its list's order. ``frames`` are
the evenly spaced frames as JPEG at the video's own size. Clips that cannot be decoded whole are in no row; they stand
with their reasons in the schema's metadata ("quarantine"). A row is a row group of its own: training reads clips in a
random order.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rac_ray.data.decoder import FRAMES, JPEG_QUALITY, SECONDS, Decoded, Decoder, decoded_frames
from rac_ray.data.manifest import require_manifest
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.lists import VIDEOS, Annotation

CLIPS_PER_SHARD = 64
METADATA_KEY = b"rac_ray"
FORMAT_VERSION = 1
"""Raised whenever the same videos give other rows."""

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("split", pa.string()),
        ("place", pa.int32()),
        ("label", pa.int8()),
        ("label_name", pa.string()),
        ("source_video", pa.string()),
        ("frames", pa.list_(pa.binary())),
        ("height", pa.int16()),
        ("width", pa.int16()),
        ("frames_in_video", pa.int32()),
        ("fps", pa.float32()),
        ("decoder", pa.string()),
        ("video_sha256", pa.string()),
    ]
)
"""``place`` is the clip's in the official list, ``height`` and ``width`` are the video's in pixels."""


@dataclass(frozen=True)
class VideoSpec:
    """All that decides a shard's rows, apart from the videos."""

    lists: str
    """Hash over both official lists."""
    frames: int = FRAMES
    quality: int = JPEG_QUALITY
    """Of the JPEG frames."""

    def identity(self) -> dict[str, Any]:
        return {"kind": "diving48", "format": FORMAT_VERSION, **asdict(self)}


@dataclass(frozen=True)
class VideoShard:
    """One file's place in an official split."""

    split: str
    number: int
    of: int
    first: int
    """Place of its first clip in the official list."""
    clips: tuple[Annotation, ...]

    @property
    def name(self) -> str:
        return f"{self.split}-{self.number:05d}-of-{self.of:05d}.parquet"


@dataclass(frozen=True)
class ShardFacts:
    """What the manifest says of a shard."""

    name: str
    rows: int
    size: int
    """Of the file, in bytes."""
    sha256: str
    quarantine: dict[str, str]
    """Reason by clip id."""


def hash_of(lists: Iterable[Sequence[Annotation]]) -> str:
    """16 hex digits over the clips of official lists."""
    text = json.dumps([[(clip.video_id, clip.label) for clip in each] for each in lists])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shards_of(split: str, clips: Sequence[Annotation], size: int = CLIPS_PER_SHARD) -> list[VideoShard]:
    """Cut an official list into shards of at most ``size`` clips."""
    firsts = range(0, len(clips), size)
    return [
        VideoShard(split, number, len(firsts), first, tuple(clips[first : first + size]))
        for number, first in enumerate(firsts)
    ]


def make_shard(folder: Path, root: Storage, spec: VideoSpec, shard: VideoShard, seconds: float = SECONDS) -> ShardFacts:
    """Decode a shard's videos (``<folder>/rgb``), write it atomically, and say what is in it."""
    rows, quarantine = [], {}
    with Decoder(spec.frames, spec.quality, seconds) as decoder:
        for offset, clip in enumerate(shard.clips):
            path = folder / VIDEOS / f"{clip.video_id}.mp4"
            found = decoder.decode(path)
            if isinstance(found, Decoded):
                rows.append(_row(shard, offset, clip, found, hashlib.sha256(path.read_bytes()).hexdigest()))
            else:
                quarantine[clip.video_id] = found.reason
    metadata = {"identity": spec.identity(), "shard": _place(shard), "quarantine": quarantine}
    table = pa.Table.from_pylist(rows, SCHEMA.with_metadata({METADATA_KEY: json.dumps(metadata).encode()}))
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=1, compression="none", use_dictionary=False)
    root.write_bytes(shard.name, sink.getvalue())
    return ShardFacts(shard.name, len(rows), sink.tell(), hashlib.sha256(sink.getvalue()).hexdigest(), quarantine)


def read_shard(root: Storage, spec: VideoSpec, shard: VideoShard) -> ShardFacts:
    """What is in a shard that is there already; BadInput when it is corrupt or of another spec."""
    content = root.read_bytes(shard.name)
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        metadata = json.loads((file.schema_arrow.metadata or {}).get(METADATA_KEY, b"{}"))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise BadInput(
            f"shard {root.address(shard.name)} is corrupt ({error}); delete it to have it made again"
        ) from error
    if (metadata.get("identity"), metadata.get("shard")) != (spec.identity(), _place(shard)):
        raise BadInput(f"shard {root.address(shard.name)} was made of other clips; choose another folder or delete it")
    rows = file.metadata.num_rows
    return ShardFacts(shard.name, rows, len(content), hashlib.sha256(content).hexdigest(), metadata["quarantine"])


def find_clip(root: Storage, clip_id: str) -> NDArray[np.uint8]:
    """The frames (T, H, W, 3) of a clip, wherever it is in a folder of shards; BadInput when it is not there."""
    for split in require_manifest(root)["splits"].values():
        for shard in split["shards"]:
            file = pq.ParquetFile(pa.BufferReader(root.read_bytes(shard["name"])))
            clip_ids = file.read(columns=["clip_id"])["clip_id"].to_pylist()
            if clip_id in clip_ids:
                row = file.read_row_group(clip_ids.index(clip_id), columns=["frames"])
                return decoded_frames(row["frames"][0].as_py())
        if clip_id in split["quarantine"]:
            raise BadInput(f"clip {clip_id!r} is in quarantine: it {split['quarantine'][clip_id]}")
    raise BadInput(f"{root.root!r} has no clip {clip_id!r}")


def _row(shard: VideoShard, offset: int, clip: Annotation, decoded: Decoded, sha256: str) -> dict[str, Any]:
    return {
        "clip_id": clip.video_id,
        "split": shard.split,
        "place": shard.first + offset,
        "label": clip.label,
        "label_name": clip.label_name,
        "source_video": clip.source_video,
        "frames": list(decoded.jpegs),
        "height": decoded.height,
        "width": decoded.width,
        "frames_in_video": decoded.frames_in_video,
        "fps": decoded.fps,
        "decoder": decoded.decoder,
        "video_sha256": sha256,
    }


def _place(shard: VideoShard) -> dict[str, Any]:
    return {"split": shard.split, "number": shard.number, "of": shard.of, "first": shard.first}
