import hashlib
import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rac_ray.data.shards import Clips, clip_digests, clips_of, make_shard, read_shard, shards_of
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.digits import Digits
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from tests.data.conftest import SHAPE, dataset_of


def test_shards_cut_a_split_without_gap_or_overlap() -> None:
    pieces = shards_of("2dot/train", 1201)
    assert [(p.first, p.rows, p.name) for p in pieces] == [
        (0, 500, "2dot/train-00000-of-00003.parquet"),
        (500, 500, "2dot/train-00001-of-00003.parquet"),
        (1000, 201, "2dot/train-00002-of-00003.parquet"),
    ]


def test_one_clip(tmp_path: Path, digits: Digits) -> None:
    piece = shards_of("5dot/val", 1)[0]
    report = make_shard(Storage.at(tmp_path), dataset_of(digits, **{"5dot__val": 1}), piece, digits)
    assert (report.rows, sum(report.class_counts.values())) == (1, 1)
    assert 0 in report.class_counts.values()


def test_plain_pyarrow_reads_frames_and_latents(folder: Storage, digits: Digits) -> None:
    table = pq.read_table(f"{folder.root}/mnist_bg/test-00000-of-00001.parquet")
    metadata = json.loads(table.schema.metadata[b"rac_ray"])
    assert metadata["frames_shape"] == [20, 64, 64]
    row, clip = table.slice(1, 1).to_pylist()[0], make_clip(SHAPE, "mnist_bg", "test", 1, digits)
    frames = np.frombuffer(row["frames"], metadata["frames_dtype"]).reshape(metadata["frames_shape"])
    np.testing.assert_array_equal(frames, clip.frames)
    np.testing.assert_allclose(np.stack([row["x"], row["y"]], axis=1), clip.trajectory.positions, rtol=1e-6)
    assert (row["digit"], row["octaves"], tuple(row["noise_seeds"])) == (clip.digit, clip.octaves, clip.noise_seeds)
    assert row["label_name"] == metadata["labels"][row["label"]]
    assert (row["reflections"], row["visible_frames"]) == (clip.trajectory.reflections, 20)


def test_pandas_reads_the_shards(folder: Storage, digits: Digits) -> None:
    frame = pd.read_parquet(f"{folder.root}/2dot/train-00001-of-00002.parquet")
    assert frame["clip_id"].tolist() == [f"2dot/train/{i:06d}" for i in range(7, 11)]
    pixels = np.frombuffer(frame["frames"].tolist()[0], np.uint8).reshape(20, 64, 64)
    np.testing.assert_array_equal(pixels, make_clip(SHAPE, "2dot", "train", 7, digits).frames)


def test_duckdb_reads_the_shards(folder: Storage) -> None:
    query = f"select count(*), min(octet_length(frames)), max(split) from '{folder.root}/2dot/train-*.parquet'"
    rows = duckdb.sql(query)
    assert rows is not None
    assert rows.fetchall() == [(11, 20 * 64 * 64, "train")]


def test_paired_clips_are_matched_by_the_number_in_their_ids(tmp_path: Path, digits: Digits) -> None:
    root, dataset = Storage.at(tmp_path), dataset_of(digits, **{"5dot__paired": 6, "mnist_bg__paired": 6})
    shards = {part: shards_of(part, count)[0] for part, count in dataset.clips.items()}
    tables = {}
    for part, shard in shards.items():
        make_shard(root, dataset, shard, digits)
        frame = pd.read_parquet(f"{root.root}/{shard.name}")
        assert frame["clip_id"].tolist() == [f"{part}/{index:06d}" for index in range(6)]
        tables[part] = frame.set_index(frame["clip_id"].str.rpartition("/")[2])
    shared = ["label", "label_name", "x", "y", "reflections"]
    one, other = (json.loads(table[shared].to_json()) for table in tables.values())
    assert one == other
    assert (tables["5dot/paired"]["visible_frames"] == 20).all()


def test_a_truncated_shard_is_named(folder: Storage, digits: Digits) -> None:
    path = Path(folder.root) / "mnist_bg/test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:100])
    dataset = dataset_of(digits, **{"mnist_bg__test": 3})
    with pytest.raises(BadInput, match=r"mnist_bg/test-00000-of-00001.parquet is corrupt .*delete it"):
        read_shard(folder, dataset, shards_of("mnist_bg/test", 3)[0])


def test_a_shard_of_another_spec_is_named(folder: Storage, digits: Digits) -> None:
    dataset = replace(dataset_of(digits, **{"mnist_bg__test": 3}), shape=TemporalShapeSpec(seed=1))
    with pytest.raises(BadInput, match="was made for another dataset spec"):
        read_shard(folder, dataset, shards_of("mnist_bg/test", 3)[0])


def test_fingerprints_cover_pixels_counts_and_nothing_else(digits: Digits) -> None:
    base = dataset_of(digits, **{"2dot__train": 10, "5dot__test": 5})
    same = base.fingerprint(["2dot/train"])
    assert dataset_of(digits, **{"5dot__test": 6, "2dot__train": 10}).fingerprint(["2dot/train"]) == same
    assert base.fingerprint(["2dot/train", "5dot/test"]) == base.fingerprint(["5dot/test", "2dot/train"]) != same
    others = [
        dataset_of(digits, **{"2dot__train": 11}),
        replace(base, shape=TemporalShapeSpec(jpeg_quality=0)),
        replace(base, digits_digest="0"),
    ]
    assert len({same, *(other.fingerprint(["2dot/train"]) for other in others)}) == 4


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


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ({"3dot__train": 1}, "unknown domain '3dot'; valid: 2dot, 5dot, mnist, mnist_bg, mnist_bg_half"),
        ({"2dot__dev": 1}, "unknown split 'dev'; valid: train, val, test, paired"),
        ({"2dot__train": 0}, "2dot/train is to hold 0 clips; valid: 1 or more"),
    ],
)
def test_bad_datasets_are_named(clips: dict[str, int], message: str, digits: Digits) -> None:
    with pytest.raises(BadInput, match=message):
        dataset_of(digits, **clips)
