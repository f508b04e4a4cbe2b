"""Labelled videos as Parquet shards of RGB frames: what a shard holds, how one is made and kept. No Ray.

``<root>/<domain>/<split>-00000-of-00003.parquet`` has one row per clip, in the order of the videos' paths. ``frames``
are ``num_frames`` evenly spaced frames, resized to squares (the aspect is not kept), as C-ordered bytes whose shape
(T, C, H, W) and dtype stand in the schema's metadata. Videos that cannot be decoded whole are in no row; they stand
with their reasons in the metadata ("left_out").
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rac_ray.data.decoder import SECONDS, Decoded, Decoder, decoded_frames
from rac_ray.data.shards import METADATA_KEY, Shard, ShardReport, metadata_of, report_on, write_clips
from rac_ray.data.video_folder import LabelledVideo, listing
from rac_ray.store.storage import Storage

VIDEOS_PER_SHARD = 64
KIND = "labelled_videos"
CLIP_FORMAT = 1
"""Raised whenever the same videos give other rows."""
RGB = 3
"""Red, green, blue."""

CLIP_COLUMNS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("domain", pa.string()),
        ("split", pa.string()),
        ("label", pa.int32()),
        ("label_name", pa.string()),
        ("frames", pa.binary()),
        ("video", pa.string()),
        ("video_sha256", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("frames_in_video", pa.int32()),
        ("fps", pa.float32()),
        ("decoder", pa.string()),
    ]
)
"""``video`` is the file's path below the folder, ``height`` and ``width`` are the video's in pixels."""


@dataclass(frozen=True)
class ClipSpec:
    """All that decides a clip's pixels and label, apart from its video."""

    num_frames: int
    frame_size: int
    """Side of a frame, in pixels."""
    classes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, C, H, W) of a clip."""
        return (self.num_frames, RGB, self.frame_size, self.frame_size)

    def identity(self) -> dict[str, Any]:
        """As manifests have it."""
        return {"kind": KIND, "format": CLIP_FORMAT, **asdict(self), "classes": list(self.classes)}


@dataclass(frozen=True)
class ShardOfVideos:
    """One file's place in a part, and the videos that it is made of."""

    shard: Shard
    videos: tuple[LabelledVideo, ...]


@dataclass(frozen=True)
class Decodings:
    """What came of a shard's videos."""

    report: ShardReport
    left_out: dict[str, str]
    """Reason by the video's path."""


def pieces_of(part: str, videos: Sequence[LabelledVideo], size: int = VIDEOS_PER_SHARD) -> list[ShardOfVideos]:
    """Cut a ``domain/split`` into shards of at most ``size`` videos."""
    domain, _, split = part.partition("/")
    firsts = range(0, len(videos), size)
    pieces = [tuple(videos[first : first + size]) for first in firsts]
    return [
        ShardOfVideos(Shard(domain, split, number, len(firsts), first, len(piece)), piece)
        for number, (first, piece) in enumerate(zip(firsts, pieces, strict=True))
    ]


def shard_of(folder: Path, root: Storage, spec: ClipSpec, piece: ShardOfVideos, seconds: float = SECONDS) -> Decodings:
    """Keep a shard that is there and was made of these videos; else decode them and write it atomically."""
    return _kept(root, spec, piece) or _decoded(folder, root, spec, piece, seconds)


def squares(decoded: Decoded, size: int) -> NDArray[np.uint8]:
    """A video's frames (T, C, H, W), RGB, each resized to ``size`` by ``size`` pixels."""
    frames = [cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA) for frame in decoded_frames(decoded.jpegs)]
    return np.ascontiguousarray(np.stack(frames).transpose(0, 3, 1, 2), np.uint8)


def _kept(root: Storage, spec: ClipSpec, piece: ShardOfVideos) -> Decodings | None:
    content = root.read_if_there(piece.shard.name)
    if content is None:
        return None
    try:
        table = pq.read_table(io.BytesIO(content))
        metadata = metadata_of(table)
    except (OSError, ValueError, pa.ArrowException):
        return None  # not whole, and made again from the videos, which are here
    same = _made_of(spec, piece)
    if {key: metadata.get(key) for key in same} != same:
        return None
    return Decodings(report_on(content, table), metadata["left_out"])


def _made_of(spec: ClipSpec, piece: ShardOfVideos) -> dict[str, Any]:
    return {"identity": spec.identity(), "shard": asdict(piece.shard), "videos": listing(piece.videos)}


def _decoded(folder: Path, root: Storage, spec: ClipSpec, piece: ShardOfVideos, seconds: float) -> Decodings:
    rows, left_out = [], {}
    with Decoder(spec.num_frames, seconds=seconds) as decoder:
        for video in piece.videos:
            found = decoder.decode(folder / video.path)
            if isinstance(found, Decoded):
                sha256 = hashlib.sha256((folder / video.path).read_bytes()).hexdigest()
                rows.append(_row(piece.shard, spec, video, found, sha256))
            else:
                left_out[video.path] = found.reason
    metadata = {
        **_made_of(spec, piece),
        "left_out": left_out,
        "frames_shape": spec.shape,
        "frames_dtype": "uint8",
        "labels": spec.classes,
    }
    schema = CLIP_COLUMNS.with_metadata({METADATA_KEY: json.dumps(metadata).encode()})
    return Decodings(write_clips(root, piece.shard.name, pa.Table.from_pylist(rows, schema=schema)), left_out)


def _row(shard: Shard, spec: ClipSpec, video: LabelledVideo, decoded: Decoded, sha256: str) -> dict[str, Any]:
    return {
        "clip_id": f"{shard.domain}/{shard.split}/{video.class_name}/{video.name}",
        "domain": shard.domain,
        "split": shard.split,
        "label": spec.classes.index(video.class_name),
        "label_name": video.class_name,
        "frames": squares(decoded, spec.frame_size).tobytes(),
        "video": video.path,
        "video_sha256": sha256,
        "height": decoded.height,
        "width": decoded.width,
        "frames_in_video": decoded.frames_in_video,
        "fps": decoded.fps,
        "decoder": decoded.decoder,
    }
