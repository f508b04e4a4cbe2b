"""Parquet shards of clips, whatever made them: where one lies, how it is written, read back and reported on.

``<root>/<domain>/<split>-00000-of-00008.parquet`` holds plain columns that pyarrow, pandas and DuckDB read without
this package; ``frames`` is a binary column of C-ordered bytes whose shape and dtype stand in the schema's metadata, or
a list of such bytes, one JPEG a frame.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rac_ray.errors import BadInput
from rac_ray.identity import digest_of
from rac_ray.store.storage import Storage

METADATA_KEY = b"rac_ray"
VIDEO_HASH = "video_sha256"
"""Column with the hash of the file that a clip was decoded from, where there is one."""


@dataclass(frozen=True)
class Clips:
    """A whole split in memory, ordered by clip id."""

    frames: NDArray[np.uint8]
    """(N, T, C, H, W), or (N, T, H, W) where grey clips are stored without their one channel."""
    labels: NDArray[np.int64]
    """(N,)"""
    clip_ids: list[str]

    def __len__(self) -> int:
        return len(self.clip_ids)


@dataclass(frozen=True)
class Shard:
    """One file's place in a part."""

    part: str
    """``domain/split``, or ``split`` in a folder of one domain."""
    number: int
    of: int
    first: int
    rows: int
    """Clips that it is to be made of."""

    @property
    def name(self) -> str:
        return f"{self.part}-{self.number:05d}-of-{self.of:05d}.parquet"

    @property
    def places(self) -> range:
        """Of its clips in the part."""
        return range(self.first, self.first + self.rows)


def shards_of(part: str, clips: int, size: int) -> list[Shard]:
    """Cut a part of ``clips`` clips into shards of at most ``size``."""
    firsts = range(0, clips, size)
    return [Shard(part, number, len(firsts), first, min(size, clips - first)) for number, first in enumerate(firsts)]


@dataclass(frozen=True)
class Layout:
    """How the clips of a dataset lie in a file."""

    columns: pa.Schema
    labels: Sequence[str]
    """Names of the classes, by label."""
    frames_shape: Sequence[int] | None = None
    """Shape of a clip of raw pixels, which are compressed; None for JPEG files, which are already."""
    row_group: int = 16
    """Clips that are read together: one that is asked for alone costs as much as all of them."""


@dataclass(frozen=True)
class Rows:
    """What is to be written as one shard."""

    rows: list[dict[str, Any]]
    left_out: dict[str, str] = field(default_factory=dict)
    """Reasons by the names of clips that could not be made."""
    tried: dict[str, str] = field(default_factory=dict)
    """What there was to make those of, by the same names (``Dataset.there``)."""


@dataclass(frozen=True)
class ShardReport:
    """What was read back from one shard: the manifest's raw material."""

    rows: int
    size: int
    """Of the file, in bytes."""
    sha256: str
    clip_digests: bytes
    """32 bytes a clip: SHA-256 over label and stored frames, in order."""
    class_counts: dict[str, int]
    left_out: dict[str, str]
    tried: dict[str, str]
    videos: str
    """Digest of the hashes of the videos that the clips are of; empty where they are of none."""


def write_shard(root: Storage, shard: Shard, layout: Layout, rows: Rows, origin: Mapping[str, Any]) -> ShardReport:
    """Write a shard atomically, with its origin (``read_shard`` compares it) in its metadata, and report on it."""
    clips = {"left_out": rows.left_out, "tried": rows.tried, "labels": layout.labels}
    metadata: dict[str, Any] = {**origin, "shard": asdict(shard), **clips}
    encoding: Any = {"compression": "none", "use_dictionary": False}
    if layout.frames_shape:
        metadata |= {"frames_shape": layout.frames_shape, "frames_dtype": "uint8"}
        latents = [name for name in layout.columns.names if name != "frames"]
        encoding = {"compression": "zstd", "compression_level": 1, "use_dictionary": latents}
    schema = layout.columns.with_metadata({METADATA_KEY: json.dumps(metadata).encode()})
    table, sink = pa.Table.from_pylist(rows.rows, schema=schema), io.BytesIO()
    pq.write_table(table, sink, row_group_size=layout.row_group, write_page_checksum=True, **encoding)
    root.write_bytes(shard.name, sink.getvalue())
    return report_on(sink.getvalue(), table)


def read_shard(root: Storage, shard: Shard, origin: Mapping[str, Any]) -> ShardReport | None:
    """Report on a shard that is there already; None when it is not, is not whole, or is of clips that have changed.

    Raises BadInput for one that belongs to another dataset.
    """
    content = root.read_if_there(shard.name)
    if content is None:
        return None
    try:
        table = pq.read_table(io.BytesIO(content))
    except (OSError, ValueError, pa.ArrowException):
        return None
    metadata, expected = metadata_of(table), {**origin, "shard": asdict(shard)}
    if metadata.get("identity") != origin["identity"]:
        raise BadInput(
            f"shard {root.address(shard.name)} was made for another dataset spec; choose another folder or delete it"
        )
    same = {key: metadata.get(key) for key in expected} == expected
    return report_on(content, table) if same else None


def metadata_of(table: pa.Table) -> dict[str, Any]:
    """What a shard says of itself; nothing where it is none of ours."""
    return json.loads((table.schema.metadata or {}).get(METADATA_KEY, b"{}"))


def report_on(content: bytes, table: pa.Table) -> ShardReport:
    """Hashes and counts of a shard, given its file's bytes and the table decoded from them."""
    metadata, labels = metadata_of(table), table["label"].to_pylist()
    counts = Counter(metadata["labels"][label] for label in labels)
    frames = (clip.values if isinstance(clip, pa.ListScalar) else (clip,) for clip in table["frames"])
    digests = (_digest(label, (each.as_buffer() for each in clip)) for label, clip in zip(labels, frames, strict=True))
    return ShardReport(
        rows=len(labels),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        clip_digests=b"".join(digests),
        class_counts={name: counts[name] for name in metadata["labels"]},
        left_out=metadata.get("left_out", {}),
        tried=metadata.get("tried", {}),
        videos=digest_of(table[VIDEO_HASH].to_pylist()) if VIDEO_HASH in table.schema.names else "",
    )


def clip_digests(clips: Clips) -> bytes:
    """32 bytes a clip: SHA-256 over its label and its pixels, in order, as of a shard that holds them."""
    return b"".join(
        _digest(label, [np.ascontiguousarray(frames)])
        for frames, label in zip(clips.frames, clips.labels.tolist(), strict=True)
    )


def _digest(label: int, frames: Iterable[Any]) -> bytes:
    """Over a label, in as few bytes as it needs, and all bytes of a clip."""
    found = hashlib.sha256(label.to_bytes(max(1, -(-label.bit_length() // 8)), "little"))
    for each in frames:
        found.update(each)
    return found.digest()


def clips_of(tables: Iterable[pa.Table], shape: Sequence[int] | None = None) -> Clips:
    """Decode tables with ``clip_id``, ``label`` and ``frames`` into one split ordered by clip id.

    ``shape`` is that of a clip; None: what each table's metadata says. Raises BadInput for clips of another size.
    """
    frames, labels, clip_ids, clip = [], [], [], ()
    for table in tables:
        clip = tuple(shape or metadata_of(table).get("frames_shape", ()))
        for batch in table.select(["clip_id", "label", "frames"]).to_batches():
            if not len(batch):
                continue
            frames.append(pixels_of(batch.column("frames"), clip))
            labels.append(batch.column("label").to_numpy())
            clip_ids.extend(batch.column("clip_id").to_pylist())
    if not frames:
        return Clips(np.empty((0, *clip), np.uint8), np.empty(0, np.int64), [])
    order = np.argsort(np.array(clip_ids))
    pixels = frames[0] if len(frames) == 1 else np.concatenate(frames)
    if (order[:-1] > order[1:]).any():
        pixels = pixels[order]
    return Clips(pixels, np.concatenate(labels).astype(np.int64)[order], [clip_ids[i] for i in order])


def pixels_of(column: pa.Array, clip: tuple[int, ...]) -> NDArray[np.uint8]:
    """View a column of binary or large_binary as (N, *clip) without a copy.

    Raises BadInput for clips of another size.
    """
    offsets = _offsets(column)
    if (np.diff(offsets) != np.prod(clip)).any():
        raise BadInput(f"a clip has another size than {clip}: these shards are of another dataset")
    data = np.frombuffer(column.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    return data.reshape(-1, *clip)


def sizes_of(column: pa.Array) -> NDArray[np.integer]:
    """Bytes (N,) of each value of such a column."""
    return np.diff(_offsets(column))


def _offsets(column: pa.Array) -> NDArray[np.integer]:
    wide = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    return np.frombuffer(column.buffers()[1], wide)[column.offset : column.offset + len(column) + 1]


def channels_last(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Clips (N, T, C, H, W) as (N, T, H, W, C); grey ones, stored with or without their channel, as (N, T, H, W)."""
    if frames.ndim == 4:
        return frames
    return frames[:, :, 0] if frames.shape[2] == 1 else frames.transpose(0, 1, 3, 4, 2)
