import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rac_ray.data.shards import (
    METADATA_KEY,
    Clips,
    Layout,
    Rows,
    Shard,
    ShardReport,
    clip_digests,
    clips_of,
    metadata_of,
    pixels_of,
    read_shard,
    report_on,
    shards_of,
    sizes_of,
    write_shard,
)
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage

SHARD, ORIGIN, CLASSES = (
    Shard("day/train", 0, 1, 0, 3),
    {"identity": {"seed": 0}, "made_of": "files"},
    ("left", "right"),
)


def written(root: Storage) -> ShardReport:
    """Two clips of two grey frames of one pixel; a third one could not be made."""
    columns = pa.schema([("clip_id", pa.string()), ("label", pa.int8()), ("frames", pa.binary())])
    rows = Rows([{"clip_id": name, "label": 1, "frames": b"01"} for name in ("a", "b")], {"c": "is empty"})
    return write_shard(root, SHARD, Layout(columns, CLASSES, (2, 1, 1)), rows, ORIGIN)


def test_shards_cut_a_split_without_gap_or_overlap() -> None:
    pieces = shards_of("2dot/train", 1201, 500)
    assert [(p.first, p.rows, p.name) for p in pieces] == [
        (0, 500, "2dot/train-00000-of-00003.parquet"),
        (500, 500, "2dot/train-00001-of-00003.parquet"),
        (1000, 201, "2dot/train-00002-of-00003.parquet"),
    ]


def test_a_shard_reads_back_as_it_was_written(tmp_path: Path) -> None:
    root, report = Storage.at(tmp_path), written(Storage.at(tmp_path))
    assert (report.rows, report.class_counts, report.left_out) == (2, {"left": 0, "right": 2}, {"c": "is empty"})
    assert report.size == (tmp_path / SHARD.name).stat().st_size
    assert read_shard(root, SHARD, ORIGIN) == report


def test_a_shard_of_version_0_1_is_reported_on(tmp_path: Path) -> None:
    """Its metadata says nothing of clips that could not be made."""
    written(Storage.at(tmp_path))
    table = pq.read_table(tmp_path / SHARD.name)
    old = {key: value for key, value in metadata_of(table).items() if key not in ("left_out", "made_of")}
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(old).encode()}), tmp_path / SHARD.name)
    content = (tmp_path / SHARD.name).read_bytes()
    assert report_on(content, pq.read_table(tmp_path / SHARD.name)).left_out == {}


@pytest.mark.parametrize("change", [{"made_of": "other"}, {"rows": 4}])
def test_a_shard_of_clips_that_have_changed_is_none(change: dict[str, Any], tmp_path: Path) -> None:
    root = Storage.at(tmp_path)
    written(root)
    shard, origin = replace(SHARD, rows=change.get("rows", SHARD.rows)), ORIGIN | change
    assert read_shard(root, shard, {key: origin[key] for key in ORIGIN}) is None


def test_a_truncated_shard_is_none(tmp_path: Path) -> None:
    root = Storage.at(tmp_path)
    assert read_shard(root, SHARD, ORIGIN) is None
    written(root)
    path = tmp_path / SHARD.name
    path.write_bytes(path.read_bytes()[:100])
    assert read_shard(root, SHARD, ORIGIN) is None


def test_a_shard_of_another_dataset_is_named(tmp_path: Path) -> None:
    root = Storage.at(tmp_path)
    written(root)
    with pytest.raises(BadInput, match=r"day/train-00000-of-00001.parquet was made for another dataset spec; choose"):
        read_shard(root, SHARD, ORIGIN | {"identity": {"seed": 1}})


def test_digests_of_jpeg_files_cover_every_byte_and_the_label(tmp_path: Path) -> None:
    rows = [{"clip_id": name, "label": 1, "frames": [b"one", b"two"]} for name in ("a", "b")]
    columns = pa.schema([("clip_id", pa.string()), ("label", pa.int8()), ("frames", pa.list_(pa.binary()))])
    report = write_shard(Storage.at(tmp_path), SHARD, Layout(columns, CLASSES, row_group=1), Rows(rows), ORIGIN)
    assert report.clip_digests == 2 * hashlib.sha256(b"\x01onetwo").digest()
    file = pq.ParquetFile(tmp_path / SHARD.name)
    assert (file.num_row_groups, file.metadata.row_group(0).column(0).compression) == (2, "UNCOMPRESSED")


def test_digests_cover_labels_of_any_size_and_small_ones_in_one_byte() -> None:
    clips = Clips(np.full((3, 2, 4, 4), 7, np.uint8), np.array([0, 255, 256]), ["a", "b", "c"])
    pixels = bytes([7] * 2 * 4 * 4)
    expected = [hashlib.sha256(label + pixels).digest() for label in (b"\x00", b"\xff", b"\x00\x01")]
    assert clip_digests(clips) == b"".join(expected)


def test_the_shape_of_clips_is_in_their_metadata_or_given(folder: Storage) -> None:
    table = pq.read_table(f"{folder.root}/mnist_bg/test-00000-of-00001.parquet")
    assert clips_of([table]).frames.shape == (3, 20, 64, 64)
    assert clips_of([table.replace_schema_metadata(None)], (10, 2, 64, 64)).frames.shape == (3, 10, 2, 64, 64)
    with pytest.raises(BadInput, match=r"a clip has another size than \(20, 64, 65\): these shards are of another"):
        clips_of([table], (20, 64, 65))


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_pixels_are_viewed_whatever_the_width_of_offsets(kind: pa.DataType) -> None:
    column = pa.array([b"abcd", b"efgh", b"ijkl", b"m"], kind)[1:]
    assert pixels_of(column[:2], (2, 2)).tolist() == [[[101, 102], [103, 104]], [[105, 106], [107, 108]]]
    assert sizes_of(column).tolist() == [4, 4, 1]
    with pytest.raises(BadInput, match=r"a clip has another size than \(2, 2\)"):
        pixels_of(column, (2, 2))
