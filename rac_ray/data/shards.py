"""Parquet shards of clips: what a dataset is, how one shard is made and read.

``<root>/<domain>/<split>-00000-of-00008.parquet`` holds plain columns that pyarrow, pandas and DuckDB read without
this package; ``frames`` is a binary column of C-ordered bytes whose shape and dtype stand in the schema's metadata.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rac_ray.errors import BadInput, one_of
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.digits import Digits
from rac_ray.studies.temporal_shape.domains import (
    DOMAINS,
    GENERATOR_VERSION,
    SPLITS,
    Clip,
    TemporalShapeSpec,
    make_clip,
)
from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE, LABEL_NAMES, NUM_FRAMES

CLIPS_PER_SHARD = 500
CLIPS_PER_ROW_GROUP = 100
CLIP_SHAPE = (NUM_FRAMES, FRAME_SIZE, FRAME_SIZE)
METADATA_KEY = b"rac_ray"

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("domain", pa.string()),
        ("split", pa.string()),
        ("label", pa.int8()),
        ("label_name", pa.string()),
        ("frames", pa.binary()),
        ("x", pa.list_(pa.float32())),
        ("y", pa.list_(pa.float32())),
        ("speed", pa.float32()),
        ("radius", pa.float32()),
        ("reflections", pa.int16()),
        ("visible_frames", pa.int16()),
        ("digit", pa.int32()),
        ("octaves", pa.int16()),
        ("noise_seeds", pa.list_(pa.int32())),
    ]
)


@dataclass(frozen=True)
class DatasetSpec:
    """What a dataset folder holds: enough to make every byte of it again."""

    shape: TemporalShapeSpec
    digits_source: str
    digits_digest: str
    clips: Mapping[str, int]
    """Number of clips by ``domain/split``."""

    def __post_init__(self) -> None:
        for part, count in self.clips.items():
            domain, _, split = part.partition("/")
            if domain not in DOMAINS:
                raise one_of("domain", domain, DOMAINS)
            if split not in SPLITS:
                raise one_of("split", split, SPLITS)
            if count < 1:
                raise BadInput(f"{part} is to hold {count} clips; valid: 1 or more")

    def identity(self) -> dict[str, Any]:
        """All that decides a clip's pixels, apart from its own key."""
        return {
            "kind": "temporal_shape",
            "generator_version": GENERATOR_VERSION,
            "spec": self.shape.as_dict(),
            "digits": {"source": self.digits_source, "digest": self.digits_digest},
        }

    def as_dict(self, parts: Iterable[str]) -> dict[str, Any]:
        """What makes the clips of the named ``domain/split`` parts again, for a record; ``from_dict`` reads it."""
        return {**self.identity(), "clips": {part: self.clips[part] for part in parts}}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "DatasetSpec":
        """Raises BadInput for what another version of the generator made."""
        if value["generator_version"] != GENERATOR_VERSION:
            raise BadInput(f"clips of generator version {value['generator_version']}; this one is {GENERATOR_VERSION}")
        digits = value["digits"]
        return cls(TemporalShapeSpec(**value["spec"]), digits["source"], digits["digest"], value["clips"])

    def fingerprint(self, parts: Iterable[str]) -> str:
        """16 hex digits for the named ``domain/split`` parts: known before a clip is made, the same on any machine."""
        counts = {part: self.clips[part] for part in sorted(parts)}
        return _digest_of({"identity": self.identity(), "clips": counts})


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
    """One file's place in a split."""

    domain: str
    split: str
    number: int
    of: int
    first: int
    rows: int

    @property
    def name(self) -> str:
        return f"{self.domain}/{self.split}-{self.number:05d}-of-{self.of:05d}.parquet"


@dataclass(frozen=True)
class ShardReport:
    """What was read back from one shard: the manifest's raw material."""

    rows: int
    size: int
    """Of the file, in bytes."""
    sha256: str
    clip_digests: bytes
    """32 bytes a clip: SHA-256 over label and pixels, in order."""
    class_counts: dict[str, int]


def _digest_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def shards_of(part: str, clips: int) -> list[Shard]:
    """Cut a ``domain/split`` of ``clips`` clips into shards of at most CLIPS_PER_SHARD."""
    domain, _, split = part.partition("/")
    firsts = range(0, clips, CLIPS_PER_SHARD)
    return [
        Shard(domain, split, number, len(firsts), first, min(CLIPS_PER_SHARD, clips - first))
        for number, first in enumerate(firsts)
    ]


def clip_id_of(domain: str, split: str, index: int) -> str:
    """Name of clip ``index`` of a split; names sort as their numbers do."""
    return f"{domain}/{split}/{index:06d}"


def _row(shard: Shard, index: int, clip: Clip) -> dict[str, Any]:
    path = clip.trajectory
    return {
        "clip_id": clip_id_of(shard.domain, shard.split, index),
        "domain": shard.domain,
        "split": shard.split,
        "label": clip.label,
        "label_name": LABEL_NAMES[clip.label],
        "frames": clip.frames.tobytes(),
        "x": path.positions[:, 0],
        "y": path.positions[:, 1],
        "speed": path.speed,
        "radius": path.radius,
        "reflections": path.reflections,
        "visible_frames": clip.visible_frames,
        "digit": clip.digit,
        "octaves": clip.octaves,
        "noise_seeds": clip.noise_seeds,
    }


def make_shard(root: Storage, dataset: DatasetSpec, shard: Shard, digits: Digits) -> ShardReport:
    """Render one shard, write it atomically, and report on it."""
    rows = [
        _row(shard, index, make_clip(dataset.shape, shard.domain, shard.split, index, digits))
        for index in range(shard.first, shard.first + shard.rows)
    ]
    metadata: dict[str, Any] = {
        "identity": _digest_of(dataset.identity()),
        "shard": asdict(shard),
        "frames_shape": CLIP_SHAPE,
        "frames_dtype": "uint8",
        "labels": LABEL_NAMES,
    }
    schema = SCHEMA.with_metadata({METADATA_KEY: json.dumps(metadata).encode()})
    return write_clips(root, shard.name, pa.Table.from_pylist(rows, schema=schema))


def write_clips(root: Storage, name: str, table: pa.Table) -> ShardReport:
    """Write a table of clips, whose metadata has their shape and labels, atomically, and report on it."""
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=CLIPS_PER_ROW_GROUP, compression="zstd", compression_level=1)
    content = sink.getvalue()
    root.write_bytes(name, content)
    return report_on(content, table)


def read_shard(root: Storage, dataset: DatasetSpec, shard: Shard) -> ShardReport:
    """Report on a shard that is there already; BadInput when it is corrupt or belongs to another dataset."""
    content = root.read_bytes(shard.name)
    try:
        table = pq.read_table(io.BytesIO(content))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise BadInput(
            f"shard {root.address(shard.name)} is corrupt ({error}); delete it to have it made again"
        ) from error
    metadata = metadata_of(table)
    expected = {"identity": _digest_of(dataset.identity()), "shard": asdict(shard)}
    if {key: metadata.get(key) for key in expected} != expected:
        raise BadInput(
            f"shard {root.address(shard.name)} was made for another dataset spec; choose another folder or delete it"
        )
    return report_on(content, table)


def metadata_of(table: pa.Table) -> dict[str, Any]:
    """What a shard says of itself; nothing where it is none of ours."""
    return json.loads((table.schema.metadata or {}).get(METADATA_KEY, b"{}"))


def report_on(content: bytes, table: pa.Table) -> ShardReport:
    """Hashes and counts of a shard, given its file's bytes and the table decoded from them."""
    clips, names = clips_of([table]), metadata_of(table)["labels"]
    counts = Counter(names[label] for label in clips.labels.tolist())
    return ShardReport(
        rows=len(clips),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        clip_digests=clip_digests(clips),
        class_counts={name: counts[name] for name in names},
    )


def clip_digests(clips: Clips) -> bytes:
    """32 bytes a clip: SHA-256 over its label, in as few bytes as it needs, and its pixels, in order."""
    return b"".join(
        hashlib.sha256(label.to_bytes(max(1, -(-label.bit_length() // 8)), "little") + frames.tobytes()).digest()
        for frames, label in zip(clips.frames, clips.labels.tolist(), strict=True)
    )


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
            frames.append(_decode(batch.column("frames"), clip))
            labels.append(batch.column("label").to_numpy())
            clip_ids.extend(batch.column("clip_id").to_pylist())
    if not frames:
        return Clips(np.empty((0, *clip), np.uint8), np.empty(0, np.int64), [])
    order = np.argsort(np.array(clip_ids))
    pixels = frames[0] if len(frames) == 1 else np.concatenate(frames)
    if (order[:-1] > order[1:]).any():
        pixels = pixels[order]
    return Clips(pixels, np.concatenate(labels).astype(np.int64)[order], [clip_ids[i] for i in order])


def _decode(column: pa.Array, clip: tuple[int, ...]) -> NDArray[np.uint8]:
    """View a binary column as (N, *clip) without a copy."""
    _, offsets_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[column.offset : column.offset + len(column) + 1]
    if (np.diff(offsets) != np.prod(clip)).any():
        raise BadInput(f"a clip has another size than {clip}: these shards are of another dataset")
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return data.reshape(-1, *clip)
