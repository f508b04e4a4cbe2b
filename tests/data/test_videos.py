import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rac_ray.data.shards import ShardReport
from rac_ray.data.video_folder import Arrangement, videos_of
from rac_ray.data.videos import LabelledVideos
from rac_ray.store.storage import Storage
from tests.data.videos import truncated
from tests.studies.drawn_videos import CLASSES, draw_domain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_domain(tmp_path / "videos", "night", per_class=2)
    return tmp_path / "videos"


def made(folder: Path, root: Storage) -> ShardReport:
    """The one shard of the domain, read if it can be kept."""
    arrangement = Arrangement("day", CLASSES, {"night/test": videos_of(folder, "night", CLASSES)})
    dataset = LabelledVideos(folder, arrangement, num_frames=6, frame_size=24)
    (shard,) = dataset.parts()["night/test"]
    return dataset.read(root, shard) or dataset.write(root, shard, dataset.maker())


def test_plain_pyarrow_reads_rgb_frames(folder: Path, tmp_path: Path) -> None:
    report = made(folder, Storage.at(tmp_path / "data"))
    assert report.class_counts == {"left": 2, "right": 2}
    table = pq.read_table(tmp_path / "data/night/test-00000-of-00001.parquet")
    metadata = json.loads(table.schema.metadata[b"rac_ray"])
    assert metadata["frames_shape"] == [6, 3, 24, 24]
    for row in table.to_pylist():
        clip = np.frombuffer(row["frames"], metadata["frames_dtype"]).reshape(metadata["frames_shape"])
        red, green, blue = clip.reshape(6, 3, -1).max(axis=(0, 2))
        assert red < green < blue  # of the square, which is (90, 120, 230)
        across = [int(frame[2].max(axis=0).argmax()) for frame in clip]
        moved = across[-1] - across[0]
        assert (moved > 10) if row["label_name"] == "right" else (moved < -10)
        assert (row["label"], row["height"], row["width"]) == (CLASSES.index(row["label_name"]), 48, 64)
        assert row["clip_id"] == f"night/test/{row['label_name']}/{Path(row['video']).name}"


def test_a_broken_video_is_left_out_with_its_reason(folder: Path, tmp_path: Path) -> None:
    broken = folder / "night/left/left001.mp4"
    truncated(broken, broken)
    (folder / "night/right/empty.mp4").touch()
    report = made(folder, Storage.at(tmp_path / "data"))
    assert report.rows == 3
    assert report.left_out.keys() == {"night/left/left001.mp4", "night/right/empty.mp4"}
    assert "is truncated or corrupt" in report.left_out["night/left/left001.mp4"]
    assert report.left_out["night/right/empty.mp4"] == "is empty"


def test_a_shard_of_nothing_but_broken_videos(folder: Path, tmp_path: Path) -> None:
    for path in folder.rglob("*.mp4"):
        path.write_bytes(b"")
    first, again = (made(folder, Storage.at(tmp_path / "data")) for _ in range(2))
    assert (first.rows, len(first.left_out)) == (0, 4)
    assert again == first


def test_a_shard_is_kept_until_its_videos_change(folder: Path, tmp_path: Path) -> None:
    root = Storage.at(tmp_path / "data")
    shard = tmp_path / "data/night/test-00000-of-00001.parquet"
    first = made(folder, root)
    written = shard.stat().st_mtime_ns
    assert made(folder, root) == first
    assert shard.stat().st_mtime_ns == written
    shard.write_bytes(shard.read_bytes()[:100])
    assert made(folder, root) == first
    right, left = folder / "night/right/right000.mp4", folder / "night/left/left000.mp4"
    left.write_bytes(right.read_bytes())
    assert made(folder, root).clip_digests != first.clip_digests
