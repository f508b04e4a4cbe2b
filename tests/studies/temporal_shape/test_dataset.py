import json
import pickle
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rac_ray.data.manifest import read_manifest
from rac_ray.data.shards import clips_of
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape import dataset as datasets
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.digits import MNIST, mnist
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.studies.temporal_shape.symbols import Symbols
from tests.data.conftest import SHAPE, dataset_of

STAND_IN = {"source": "optdigits", "digest": "1dcdf395862b655c"}
"""The digits of 0.1 where there was no MNIST."""


def test_one_clip(tmp_path: Path) -> None:
    dataset = dataset_of(**{"5dot__val": 1})
    (piece,) = dataset.parts()["5dot/val"]
    report = dataset.write(Storage.at(tmp_path), piece, dataset.maker())
    assert (report.rows, sum(report.class_counts.values())) == (1, 1)
    assert 0 in report.class_counts.values()


def test_plain_pyarrow_reads_frames_and_latents(folder: Storage) -> None:
    table = pq.read_table(f"{folder.root}/mnist_bg/test-00000-of-00001.parquet")
    metadata = json.loads(table.schema.metadata[b"rac_ray"])
    assert metadata["frames_shape"] == [20, 64, 64]
    row, clip = table.slice(1, 1).to_pylist()[0], make_clip(SHAPE, "mnist_bg", "test", 1)
    frames = np.frombuffer(row["frames"], metadata["frames_dtype"]).reshape(metadata["frames_shape"])
    np.testing.assert_array_equal(frames, clip.frames)
    np.testing.assert_allclose(np.stack([row["x"], row["y"]], axis=1), clip.trajectory.positions, rtol=1e-6)
    assert (row["digit"], row["octaves"], tuple(row["noise_seeds"])) == (clip.digit, clip.octaves, clip.noise_seeds)
    assert row["label_name"] == metadata["labels"][row["label"]]
    assert (row["reflections"], row["visible_frames"]) == (clip.trajectory.reflections, 20)


def test_longer_clips_lie_in_shards_of_their_own_length(tmp_path: Path) -> None:
    root, dataset = Storage.at(tmp_path), dataset_of(**{"2dot__test": 2, "2dot_long40__test": 3})
    assert (dataset.clip_bytes, dataset_of(**{"2dot__test": 2}).clip_bytes) == (180_000, 90_000)
    for (shard,) in dataset.parts().values():
        dataset.write(root, shard, dataset.maker())
    for part, length in (("2dot/test", 20), ("2dot_long40/test", 40)):
        table = pq.read_table(f"{root.root}/{part}-00000-of-00001.parquet")
        assert json.loads(table.schema.metadata[b"rac_ray"])["frames_shape"] == [length, 64, 64]
        clips = clips_of([table])
        np.testing.assert_array_equal(clips.frames[1], make_clip(SHAPE, part.partition("/")[0], "test", 1).frames)
        assert {len(places) for places in table["x"].to_pylist()} == {length}


def test_pandas_reads_the_shards(folder: Storage) -> None:
    frame = pd.read_parquet(f"{folder.root}/2dot/train-00001-of-00002.parquet")
    assert frame["clip_id"].tolist() == [f"2dot/train/{i:06d}" for i in range(7, 11)]
    pixels = np.frombuffer(frame["frames"].tolist()[0], np.uint8).reshape(20, 64, 64)
    np.testing.assert_array_equal(pixels, make_clip(SHAPE, "2dot", "train", 7).frames)


def test_duckdb_reads_the_shards(folder: Storage) -> None:
    query = f"select count(*), min(octet_length(frames)), max(split) from '{folder.root}/2dot/train-*.parquet'"
    rows = duckdb.sql(query)
    assert rows is not None
    assert rows.fetchall() == [(11, 20 * 64 * 64, "train")]


def test_paired_clips_are_matched_by_the_number_in_their_ids(tmp_path: Path) -> None:
    root, dataset = Storage.at(tmp_path), dataset_of(**{"5dot__paired": 6, "mnist_bg__paired": 6})
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


def test_fingerprints_cover_pixels_counts_and_nothing_else() -> None:
    base = dataset_of(**{"2dot__train": 10, "5dot__test": 5})
    same = base.fingerprint(["2dot/train"])
    assert dataset_of(**{"5dot__test": 6, "2dot__train": 10}).fingerprint(["2dot/train"]) == same
    assert base.fingerprint(["2dot/train", "5dot/test"]) == base.fingerprint(["5dot/test", "2dot/train"]) != same
    others = [
        dataset_of(**{"2dot__train": 11}),
        replace(base, shape=TemporalShapeSpec(jpeg_quality=0)),
    ]
    assert len({same, *(other.fingerprint(["2dot/train"]) for other in others)}) == 3


def test_other_symbols_are_part_of_their_own_clips_alone() -> None:
    clips = {"2dot/train": 10, "emnist/test": 5}
    one, other = (
        GeneratedClips(SHAPE, clips, (Symbols("emnist", "/sets/emnist", digest),)) for digest in ("first", "second")
    )
    moved = replace(one, symbols=(Symbols("emnist", "/elsewhere/emnist", "first"),))
    assert one.identity() == other.identity() == dataset_of(**{"2dot__train": 10}).identity()
    assert one.fingerprint(["2dot/train"]) == dataset_of(**{"2dot__train": 10}).fingerprint(["2dot/train"])
    assert one.fingerprint(["emnist/test"]) == moved.fingerprint(["emnist/test"]) != other.fingerprint(["emnist/test"])
    made_of = {part: one.made_of(shards[0]) for part, shards in one.parts().items()}
    assert made_of == {"2dot/train": "", "emnist/test": "first"}


def test_records_tell_what_their_clips_are_made_of() -> None:
    symbols = Symbols("emnist", "/sets/emnist", "first")
    dataset = GeneratedClips(SHAPE, {"2dot/train": 10, "emnist/test": 5, "mnist/test": 3}, (symbols,))
    said = dataset.as_dict(["2dot/train", "emnist/test"])
    assert said["symbols"] == [{"name": "emnist", "folder": "/sets/emnist", "digest": "first"}]
    assert GeneratedClips.from_dict(json.loads(json.dumps(said))) == replace(
        dataset, clips={"2dot/train": 10, "emnist/test": 5}
    )
    plain = dataset.as_dict(["mnist/test"])
    assert plain == {**dataset.identity(), "clips": {"mnist/test": 3}}
    assert plain["digits"] == MNIST


@pytest.mark.parametrize("digits", [STAND_IN, {"source": "mnist", "digest": "0123456789abcdef"}])
def test_clips_of_other_digits_are_not_made_again(digits: dict[str, str]) -> None:
    said = {**dataset_of(**{"2dot__val": 1}).as_dict(["2dot/val"]), "digits": digits}
    with pytest.raises(BadInput) as told:
        GeneratedClips.from_dict(said)
    assert str(told.value) == (
        f"these clips were drawn with digits {digits['source']!r} ({digits['digest']}), which are no longer shipped; "
        "valid: 'mnist' (ce01199805b7102a)"
    )


def test_what_makes_shards_carries_no_digits() -> None:
    mnist.cache_clear()
    dataset = dataset_of(**{"2dot__test": 2, "mnist__test": 2})
    shards = [shards[0] for shards in dataset.parts().values()]
    make = pickle.loads(pickle.dumps(dataset.maker()))
    assert len(pickle.dumps(make)) < 2_000
    assert len(make(shards[0]).rows) == 2
    assert mnist.cache_info().misses == 0, "dots show none"
    assert len(make(shards[1]).rows) == 2
    assert mnist.cache_info().misses == 1


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ({"3dot__train": 1}, "unknown domain '3dot'; valid: 2dot, 5dot, mnist, mnist_bg, mnist_bg_half"),
        ({"2dot__dev": 1}, "unknown split 'dev'; valid: train, val, test, paired"),
        ({"2dot__train": 0}, "2dot/train is to hold 0 clips; valid: 1 or more"),
    ],
)
def test_bad_datasets_are_named(clips: dict[str, int], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        dataset_of(**clips)


def test_a_folder_of_another_spec_says_what_differs(folder: Storage) -> None:
    manifest = read_manifest(folder)
    assert manifest
    manifest["identity"]["digits"] = STAND_IN
    other = GeneratedClips(TemporalShapeSpec(background="static"), {"2dot/train": 12})
    folder.write_json("manifest.json", manifest)
    with pytest.raises(BadInput) as told:
        other.require_own(folder)
    assert str(told.value) == (
        f"data folder {folder.root!r} has 11 clips of 2dot/train instead of 12, "
        "digits.digest '1dcdf395862b655c' instead of 'ce01199805b7102a', "
        "digits.source 'optdigits' instead of 'mnist', "
        "spec.background 'flicker' instead of 'static'; choose another with --data"
    )


def test_a_folder_of_another_number_of_shapes_says_so_in_both_directions(tmp_path: Path) -> None:
    five, seven = (GeneratedClips(TemporalShapeSpec(shapes=shapes), {"2dot/val": 2}) for shapes in (5, 7))
    for made, other, message in (
        (five, seven, "spec.shapes 5 instead of 7"),
        (seven, five, "spec.shapes 7 instead of 5"),
    ):
        folder = Storage.at(tmp_path / f"{made.shape.shapes}")
        folder.write_json("manifest.json", {"identity": made.identity(), "splits": {}, "schema": 3})
        assert made.differences({"identity": made.identity(), "splits": {}}) == []
        assert other.differences({"identity": made.identity(), "splits": {}}) == [message]
        assert GeneratedClips.from_dict(json.loads(json.dumps(made.as_dict(["2dot/val"])))) == made
    assert five.layout("2dot/val").labels == ("circle", "spiral", "line", "rectangle", "arc")
    assert seven.layout("2dot/val").labels == (*five.layout("2dot/val").labels, "zigzag", "s")


def test_a_folder_of_another_generator_version_is_named(folder: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "GENERATOR_VERSION", 2)
    with pytest.raises(BadInput, match="has generator_version 1 instead of 2; choose another with --data"):
        dataset_of(**{"2dot__train": 11}).require_own(folder)
