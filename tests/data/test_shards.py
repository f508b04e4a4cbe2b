import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rac_ray.data import shards
from rac_ray.data.digits import Digits
from rac_ray.data.shards import (
    DatasetSpec,
    make_shard,
    read_manifest,
    read_shard,
    read_split,
    require_same_dataset,
    shards_of,
    split_entry,
    verify,
)
from rac_ray.data.temporal_shape import TemporalShapeSpec, make_clip
from rac_ray.errors import BadInput
from rac_ray.storage import Storage

SHAPE = TemporalShapeSpec()


def dataset_of(digits: Digits, **clips: int) -> DatasetSpec:
    return DatasetSpec(SHAPE, digits.source, digits.digest, {part.replace("__", "/"): n for part, n in clips.items()})


@pytest.fixture
def folder(tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Two splits, the first in two shards, with a manifest; made without Ray."""
    monkeypatch.setattr(shards, "CLIPS_PER_SHARD", 7)
    root, dataset = Storage.at(tmp_path / "data"), dataset_of(digits, **{"2dot__train": 11, "mnist_bg__test": 3})
    splits = {}
    for part, count in dataset.clips.items():
        pieces = shards_of(part, count)
        splits[part] = split_entry(pieces, [make_shard(root, dataset, shard, digits) for shard in pieces])
    root.write_json("manifest.json", {"identity": dataset.identity(), "splits": splits})
    return root


def test_shards_cut_a_split_without_gap_or_overlap() -> None:
    pieces = shards_of("2dot/train", 1201)
    assert [(p.first, p.rows, p.name) for p in pieces] == [
        (0, 500, "2dot/train-00000-of-00003.parquet"),
        (500, 500, "2dot/train-00001-of-00003.parquet"),
        (1000, 201, "2dot/train-00002-of-00003.parquet"),
    ]


def test_read_split_gives_the_generators_clips_in_order(folder: Storage, digits: Digits) -> None:
    clips = read_split(folder, "2dot/train")
    assert clips.clip_ids == [f"2dot/train/{i:06d}" for i in range(11)]
    for index in range(11):
        clip = make_clip(SHAPE, "2dot", "train", index, digits)
        assert clips.labels[index] == clip.label
        np.testing.assert_array_equal(clips.frames[index], clip.frames)


def test_pixels_do_not_depend_on_how_a_split_is_cut(folder: Storage, tmp_path: Path, digits: Digits) -> None:
    manifest = read_manifest(folder)
    assert manifest
    whole = shards.Shard("2dot", "train", 0, 1, 0, 11)
    report = make_shard(Storage.at(tmp_path / "whole"), dataset_of(digits, **{"2dot__train": 11}), whole, digits)
    entry = split_entry([whole], [report])
    assert entry["content"] == manifest["splits"]["2dot/train"]["content"]
    assert entry["class_counts"] == manifest["splits"]["2dot/train"]["class_counts"]
    assert sum(entry["class_counts"].values()) == 11


def test_smaller_sets_nest_in_larger_ones(folder: Storage, tmp_path: Path, digits: Digits) -> None:
    small, piece = Storage.at(tmp_path / "small"), shards.Shard("2dot", "train", 0, 1, 0, 4)
    dataset = dataset_of(digits, **{"2dot__train": 4})
    entry = split_entry([piece], [make_shard(small, dataset, piece, digits)])
    small.write_json("manifest.json", {"identity": dataset.identity(), "splits": {"2dot/train": entry}})
    np.testing.assert_array_equal(read_split(small, "2dot/train").frames, read_split(folder, "2dot/train").frames[:4])


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


def test_verify_is_content_with_what_was_made(folder: Storage) -> None:
    assert verify(folder) == []


def test_verify_catches_a_flipped_byte(folder: Storage) -> None:
    path = Path(folder.root) / "2dot/train-00000-of-00002.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert verify(folder) == ["2dot/train-00000-of-00002.parquet: SHA-256 differs from the manifest's"]


def test_verify_catches_a_missing_shard(folder: Storage) -> None:
    (Path(folder.root) / "2dot/train-00001-of-00002.parquet").unlink()
    assert verify(folder) == ["2dot/train-00001-of-00002.parquet: missing"]


def test_verify_catches_a_wrong_count(folder: Storage) -> None:
    manifest = read_manifest(folder)
    assert manifest
    manifest["splits"]["mnist_bg/test"]["clips"] = 4
    manifest["splits"]["mnist_bg/test"]["shards"][0]["rows"] = 4
    folder.write_json("manifest.json", manifest)
    assert verify(folder) == [
        "mnist_bg/test-00000-of-00001.parquet: 3 clips, the manifest says 4",
        "mnist_bg/test: clips is 3, the manifest says 4",
    ]


def test_verify_catches_other_pixels_under_a_right_checksum(folder: Storage) -> None:
    manifest = read_manifest(folder)
    assert manifest
    manifest["splits"]["mnist_bg/test"]["content"] = "0" * 64
    folder.write_json("manifest.json", manifest)
    assert len(verify(folder)) == 1
    assert "mnist_bg/test: content is" in verify(folder)[0]


def test_verify_without_a_manifest(tmp_path: Path) -> None:
    assert verify(Storage.at(tmp_path)) == [f"{tmp_path}: there is no manifest.json"]


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


def test_a_folder_of_another_spec_says_what_differs(folder: Storage, digits: Digits) -> None:
    manifest = read_manifest(folder)
    assert manifest
    other = DatasetSpec(TemporalShapeSpec(background="static"), "mnist", "0", {"2dot/train": 12})
    with pytest.raises(BadInput) as told:
        require_same_dataset(manifest, other, folder)
    assert str(told.value) == (
        f"data folder {folder.root!r} has 11 clips of 2dot/train instead of 12, "
        f"digits.digest {digits.digest!r} instead of '0', digits.source 'optdigits' instead of 'mnist', "
        "spec.background 'flicker' instead of 'static'; choose another with --data"
    )


def test_a_folder_of_another_generator_version_is_named(
    folder: Storage, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(folder)
    assert manifest
    monkeypatch.setattr(shards, "GENERATOR_VERSION", 2)
    with pytest.raises(BadInput, match="has generator_version 1 instead of 2; choose another with --data"):
        require_same_dataset(manifest, dataset_of(digits, **{"2dot__train": 11}), folder)


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


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ({"3dot__train": 1}, "unknown domain '3dot'; valid: 2dot, 5dot, mnist, mnist_bg, mnist_bg_half"),
        ({"2dot__dev": 1}, "unknown split 'dev'; valid: train, val, test"),
        ({"2dot__train": 0}, "2dot/train is to hold 0 clips; valid: 1 or more"),
    ],
)
def test_bad_datasets_are_named(clips: dict[str, int], message: str, digits: Digits) -> None:
    with pytest.raises(BadInput, match=message):
        dataset_of(digits, **clips)


def test_a_missing_part_is_named(folder: Storage) -> None:
    with pytest.raises(BadInput, match="has no mnist/test; make it with `rac-ray data generate`"):
        read_split(folder, "mnist/test")
    shutil.rmtree(folder.root)
    with pytest.raises(BadInput, match="has no 2dot/train"):
        read_split(folder, "2dot/train")
