import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rac_ray.data.manifest import read_manifest
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape import dataset as datasets
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.digits import Digits
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from tests.data.conftest import SHAPE, dataset_of


def test_one_clip(tmp_path: Path, digits: Digits) -> None:
    dataset = dataset_of(digits, **{"5dot__val": 1})
    (piece,) = dataset.parts()["5dot/val"]
    report = dataset.write(Storage.at(tmp_path), piece, dataset.maker())
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
    tables = {}
    for part, (shard,) in dataset.parts().items():
        dataset.write(root, shard, dataset.maker())
        frame = pd.read_parquet(f"{root.root}/{shard.name}")
        assert frame["clip_id"].tolist() == [f"{part}/{index:06d}" for index in range(6)]
        tables[part] = frame.set_index(frame["clip_id"].str.rpartition("/")[2])
    shared = ["label", "label_name", "x", "y", "reflections"]
    one, other = (json.loads(table[shared].to_json()) for table in tables.values())
    assert one == other
    assert (tables["5dot/paired"]["visible_frames"] == 20).all()


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
        ({"2dot__dev": 1}, "unknown split 'dev'; valid: train, val, test, paired"),
        ({"2dot__train": 0}, "2dot/train is to hold 0 clips; valid: 1 or more"),
    ],
)
def test_bad_datasets_are_named(clips: dict[str, int], message: str, digits: Digits) -> None:
    with pytest.raises(BadInput, match=message):
        dataset_of(digits, **clips)


def test_a_folder_of_another_spec_says_what_differs(folder: Storage, digits: Digits) -> None:
    manifest = read_manifest(folder)
    assert manifest
    other = GeneratedClips(TemporalShapeSpec(background="static"), "mnist", "0", {"2dot/train": 12})
    with pytest.raises(BadInput) as told:
        other.require_own(folder, manifest)
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
    monkeypatch.setattr(datasets, "GENERATOR_VERSION", 2)
    with pytest.raises(BadInput, match="has generator_version 1 instead of 2; choose another with --data"):
        dataset_of(digits, **{"2dot__train": 11}).require_own(folder, manifest)
