import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rac_ray.data.manifest import label_names, read_manifest, read_split, split_entry, verify
from rac_ray.data.shards import Shard
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.domains import make_clip
from tests.data.conftest import SHAPE, dataset_of


def test_read_split_gives_the_generators_clips_in_order(folder: Storage) -> None:
    clips = read_split(folder, "2dot/train")
    assert clips.clip_ids == [f"2dot/train/{i:06d}" for i in range(11)]
    for index in range(11):
        clip = make_clip(SHAPE, "2dot", "train", index)
        assert clips.labels[index] == clip.label
        np.testing.assert_array_equal(clips.frames[index], clip.frames)


def test_pixels_do_not_depend_on_how_a_split_is_cut(folder: Storage, tmp_path: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest
    whole = Shard("2dot/train", 0, 1, 0, 11)
    dataset = dataset_of(**{"2dot__train": 11})
    report = dataset.write(Storage.at(tmp_path / "whole"), whole, dataset.maker())
    entry = split_entry([whole], [report])
    assert entry["content"] == manifest["splits"]["2dot/train"]["content"]
    assert entry["class_counts"] == manifest["splits"]["2dot/train"]["class_counts"]
    assert sum(entry["class_counts"].values()) == 11


def test_smaller_sets_nest_in_larger_ones(folder: Storage, tmp_path: Path) -> None:
    small, piece = Storage.at(tmp_path / "small"), Shard("2dot/train", 0, 1, 0, 4)
    dataset = dataset_of(**{"2dot__train": 4})
    entry = split_entry([piece], [dataset.write(small, piece, dataset.maker())])
    small.write_json("manifest.json", {"identity": dataset.identity(), "splits": {"2dot/train": entry}})
    np.testing.assert_array_equal(read_split(small, "2dot/train").frames, read_split(folder, "2dot/train").frames[:4])


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


def test_names_of_classes_are_by_label(folder: Storage) -> None:
    assert label_names(folder, "2dot/train") == ["circle", "spiral", "line", "rectangle", "arc"]


def test_verify_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"data folder '{tmp_path}' has no manifest; "):
        verify(Storage.at(tmp_path))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ((), [], "Expected `object`, got `array`"),
        (("splits",), {"2dot/test": {}}, "Object missing required field `clips`"),
        (("identity",), 7, "Expected `object`, got `int`"),
        (("splits", "2dot/train", "shards", 0, "file"), 7, "Expected `str`, got `int`"),
        (("splits", "2dot/train", "clips"), -1, "Expected `int` >= 0"),
        (("root",), "/elsewhere", "it has a root, and neither the shape nor the labels of clips"),
    ],
    ids=str,
)
def test_a_manifest_that_is_anything_else_is_named(
    place: tuple[str | int, ...], value: object, said: str, folder: Storage
) -> None:
    manifest: Any = {"whole": read_manifest(folder)}
    *above, last = ("whole", *place)
    holder = manifest
    for key in above:
        holder = holder[key]
    holder[last] = value
    folder.write_json("manifest.json", manifest["whole"])
    with pytest.raises(BadInput, match=rf"manifest.json is corrupt \({said}.*; delete it to have it made again$"):
        verify(folder)


def test_a_shard_that_cannot_be_read_is_named(folder: Storage) -> None:
    shard = Path(folder.root) / "2dot/train-00001-of-00002.parquet"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match=f"^shard {shard} is damaged \\("):
        read_split(folder, "2dot/train")
    for column, other in (("frames", ["a", "b"]), ("label", [0.5, 1.5]), ("clip_id", [None, None])):
        table = pa.table({"clip_id": ["x", "y"], "label": [0, 1], "frames": [b"a", b"b"], column: other})
        pq.write_table(table, shard)
        with pytest.raises(BadInput, match=f"^shard {shard} has no column {column!r} of "):
            read_split(folder, "2dot/train")
    shard.unlink()
    with pytest.raises(BadInput, match=f"^shard {shard} is missing; "):
        read_split(folder, "2dot/train")


def test_a_missing_part_is_named(folder: Storage) -> None:
    with pytest.raises(BadInput, match="has no mnist/test; a sweep, or a verb of `rac-ray`, makes"):
        read_split(folder, "mnist/test")
    shutil.rmtree(folder.root)
    with pytest.raises(BadInput, match="has no 2dot/train"):
        read_split(folder, "2dot/train")
