"""Instance masks of people as COCO run lengths in Parquet: one row per clip, frame and instance; one file or more.

Two masks are kept of each soft mask, since the domains need two thresholds (facts.md section 4): ``shape`` where it is
above 0.4, ``support`` where it is above 0, nearly the instance's box.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rac_ray.counted import counted
from rac_ray.data.shards import METADATA_KEY
from rac_ray.errors import BadInput, needs_extra
from rac_ray.store.parquet import NO_TABLE, in_short
from rac_ray.store.storage import UNREADABLE, Storage

HEIGHT, WIDTH = 369, 492
"""Of frames at which masks are made and domains rendered, in pixels."""
SHAPE_THRESHOLD, SUPPORT_THRESHOLD = 0.4, 0.0
CLIPS_KEY = b"rac_ray_clips"
"""Of the clips that a file is of: one without anybody has no row."""
OF_KEY = b"rac_ray_masks_of"
"""Of the shard that a file's masks were made of: its name and the hash over its labels and pixels."""
METADATA = {"kind": "masks", "format": 1, "shape_threshold": SHAPE_THRESHOLD, "support_threshold": SUPPORT_THRESHOLD}

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("frame", pa.int16()),
        ("instance", pa.int16()),
        ("score", pa.float32()),
        ("x0", pa.float32()),
        ("y0", pa.float32()),
        ("x1", pa.float32()),
        ("y1", pa.float32()),
        ("height", pa.int16()),
        ("width", pa.int16()),
        ("rle_shape", pa.string()),
        ("rle_support", pa.string()),
    ],
    metadata={METADATA_KEY: json.dumps(METADATA).encode()},
)
"""``instance`` ranks a frame's instances by score, 0 first; boxes and masks are in pixels of ``height`` x ``width``."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class FrameMasks:
    """The instances of one frame, by descending score."""

    shape: Mask
    """(N, H, W), soft mask above 0.4."""
    support: Mask
    """(N, H, W), soft mask above 0."""


def rows_of(
    clip_id: str, frame: int, soft: NDArray[np.float32], scores: Sequence[float], boxes: NDArray[np.float32]
) -> list[dict[str, Any]]:
    """Rows of one frame from soft masks (N, H, W) in [0, 1], scores (N,) and boxes (N, 4) as x0, y0, x1, y1."""
    if soft.ndim != 3 or not len(soft) == len(scores) == len(boxes):
        raise BadInput(f"{len(scores)} scores and {len(boxes)} boxes for masks of shape {soft.shape}; valid: (N, H, W)")
    order = np.argsort(-np.asarray(scores), kind="stable")
    return [
        {
            "clip_id": clip_id,
            "frame": frame,
            "instance": rank,
            "score": float(scores[place]),
            **dict(zip(("x0", "y0", "x1", "y1"), map(float, boxes[place]), strict=True)),
            "height": soft.shape[1],
            "width": soft.shape[2],
            "rle_shape": encoded(soft[place] > SHAPE_THRESHOLD),
            "rle_support": encoded(soft[place] > SUPPORT_THRESHOLD),
        }
        for rank, place in enumerate(order)
    ]


def _coco() -> Any:
    """COCO's functions of run lengths."""
    with needs_extra("masks"):
        from pycocotools import mask
    return mask


def encoded(mask: Mask) -> str:
    """COCO's compressed run lengths of a mask (H, W)."""
    counts: Any = _coco().encode(np.asfortranarray(mask, np.uint8))["counts"]
    return counts.decode()


def decoded(counts: str, height: int, width: int) -> Mask:
    """The mask (H, W); BadInput when the run lengths are not those of one of this size."""
    refused = BadInput(f"a mask's run lengths do not fill {height} x {width} pixels")
    try:
        mask = np.asarray(_coco().decode({"size": [height, width], "counts": counts.encode()}), bool)
    except (ValueError, UnicodeError) as error:
        raise refused from error
    if encoded(mask) != counts:  # the library fills up, or cuts off, what is of another size
        raise refused
    return mask


def write_masks(
    folder: Storage,
    name: str,
    rows: Iterable[dict[str, Any]],
    clip_ids: Iterable[str] = (),
    made_of: tuple[str, str] | None = None,
) -> None:
    """Write rows as one Parquet file, atomically; ``clip_ids`` are those looked at, with anybody in them or not.

    ``made_of`` is the shard's name and content.
    """
    table = pa.Table.from_pylist(list(rows), SCHEMA)
    clips = sorted({*clip_ids, *table["clip_id"].unique().to_pylist()})
    sink = io.BytesIO()
    about = {CLIPS_KEY: json.dumps(clips).encode(), OF_KEY: json.dumps(made_of).encode()}
    stamped = table.replace_schema_metadata({**(SCHEMA.metadata or {}), **about})
    pq.write_table(stamped, sink, compression="zstd", write_page_checksum=True)
    folder.write_bytes(name, sink.getvalue())


def mask_files(folder: Storage, name: str) -> list[str]:
    """A Parquet file itself, or those in a folder ``name``; hidden ones, as macOS leaves beside others, do not count.

    Raises BadInput for a folder without one.
    """
    if name.endswith(".parquet"):
        return [name]
    found = [each for each in folder.names(name) if each.endswith(".parquet") and not each.startswith(".")]
    if not found:
        raise BadInput(f"{folder.address(name)!r} has no Parquet files of masks")
    return [f"{name}/{each}" for each in found]


def placed(masks: str) -> tuple[Storage, str]:
    """The folder of a file, or folder, of masks, path or URI, and its name in there."""
    parent, _, name = masks.rstrip("/").rpartition("/")
    return Storage.at(parent or "."), name


def made_of(folder: Storage, name: str) -> tuple[str, str] | None:
    """The name and content of the shard that a file's masks were made of; None where nobody said.

    Raises BadInput for a file that is corrupt.
    """
    with _whole(folder, name):
        metadata = folder.read_parquet(name, lambda file: file.schema_arrow.metadata) or {}
        return msgspec.json.decode(metadata.get(OF_KEY, b"null"), type=tuple[str, str] | None)


def require_made_of(masks: str, contents: Mapping[str, str], *, whole: bool = False) -> list[str]:
    """Names of the files with masks of some shards, or of nobody knows which; ``contents`` are the shards', by name.

    Raises BadInput for masks of shards that have other clips by now, and, if they are to be ``whole``, for shards
    without masks where all files say of which shard they are.
    """
    folder, name = placed(masks)
    shards = {file: made_of(folder, file) for file in mask_files(folder, name)}
    for file, (shard, content) in ((file, known) for file, known in shards.items() if known):
        if shard in contents and contents[shard] != content:
            raise BadInput(
                f"masks {folder.address(file)} were made of other clips than {shard} has now; "
                "make them again with `segment_divers.py masks`"
            )
    masked = {known[0] for known in shards.values() if known}
    lacking = sorted(contents.keys() - masked)
    if whole and lacking and None not in shards.values():
        raise BadInput(
            f"masks {masks!r} lack those of {len(lacking)} of {counted(len(contents), 'shard')}, {lacking[0]} first; "
            "make them with `segment_divers.py masks`"
        )
    return [file for file, known in shards.items() if known is None or known[0] in contents]


class MaskTable:
    """The masks of some clips, by clip; rows stay in Arrow until a clip is asked for."""

    def __init__(self, table: pa.Table, clip_ids: Iterable[str] = ()) -> None:
        self._table = table.sort_by([("clip_id", "ascending"), ("frame", "ascending"), ("instance", "ascending")])
        self._spans: dict[str, tuple[int, int]] = dict.fromkeys(clip_ids, (0, 0))
        first = 0
        for clip_id, count in sorted(Counter(self._table["clip_id"].to_pylist()).items()):
            self._spans[clip_id] = (first, count)
            first += count

    @classmethod
    def read(cls, folder: Storage, name: str) -> "MaskTable":
        """From a file of ``write_masks``, or from all Parquet files of a folder ``name``.

        Raises BadInput for a folder without one, for a file that is corrupt or something else, and for a clip that is
        in two files.
        """
        tables, clips = zip(*(_read_file(folder, each) for each in mask_files(folder, name)), strict=True)
        counts = Counter(clip_id for each in clips for clip_id in each)
        twice = next((clip_id for clip_id, count in counts.items() if count > 1), None)
        if twice is not None:
            raise BadInput(f"clip {twice!r} has masks in two files of {folder.address(name)!r}")
        return cls(pa.concat_tables(tables), counts)

    def clip_ids(self) -> list[str]:
        return sorted(self._spans)

    def clip(self, clip_id: str, frames: int, height: int, width: int) -> list[FrameMasks]:
        """Masks of each of a clip's frames, none for a frame without anybody.

        Raises BadInput for a clip that was not looked at, and for masks of another size or of a frame too many.
        """
        if clip_id not in self._spans:
            raise BadInput(f"there are no masks of clip {clip_id!r}")
        by_frame: list[list[dict[str, Any]]] = [[] for _ in range(frames)]
        for row in self._table.slice(*self._spans[clip_id]).to_pylist():
            if not 0 <= row["frame"] < frames:
                raise BadInput(f"clip {clip_id!r} has a mask in frame {row['frame']}; valid: 0 to {frames - 1}")
            if (row["height"], row["width"]) != (height, width):
                raise BadInput(
                    f"masks of clip {clip_id!r} have {row['height']} x {row['width']} pixels; valid: {height} x {width}"
                )
            by_frame[row["frame"]].append(row)
        return [_frame_masks(rows, height, width) for rows in by_frame]


def _read_file(folder: Storage, name: str) -> tuple[pa.Table, list[str]]:
    """The rows of a file, and the clips that it is of."""
    with _whole(folder, name):
        table = pq.read_table(pa.BufferReader(folder.read_bytes(name)), page_checksum_verification=True)
        table.validate(full=True)
        metadata = table.schema.metadata or {}
        made_as = msgspec.json.decode(metadata.get(METADATA_KEY, b"{}"))
        clips = msgspec.json.decode(metadata.get(CLIPS_KEY, b"[]"), type=list[str])
    if made_as != METADATA or table.schema.names != SCHEMA.names:
        raise BadInput(f"{folder.address(name)} is no table of masks with thresholds 0.4 and 0")
    with _whole(folder, name):
        table = table.replace_schema_metadata(None).cast(SCHEMA.remove_metadata())
    if empty := next((column for column in table.column_names if table[column].null_count), None):
        raise BadInput(f"masks {folder.address(name)} are corrupt (column {empty!r} has rows without a value)")
    return table, clips or table["clip_id"].unique().to_pylist()


@contextmanager
def _whole(folder: Storage, name: str) -> Iterator[None]:
    """What is read of a file of masks; BadInput where that cannot be read."""
    try:
        yield
    except (*NO_TABLE, *UNREADABLE) as error:
        raise BadInput(f"masks {folder.address(name)} are corrupt ({in_short(error)})") from error


def _frame_masks(rows: list[dict[str, Any]], height: int, width: int) -> FrameMasks:
    shape, support = (
        np.stack([decoded(row[name], height, width) for row in rows]) if rows else np.zeros((0, height, width), bool)
        for name in ("rle_shape", "rle_support")
    )
    return FrameMasks(shape, support)
