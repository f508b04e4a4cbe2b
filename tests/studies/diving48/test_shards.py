from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rac_ray.data.decoder import decoded_frames
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.lists import read_annotations
from rac_ray.studies.diving48.shards import SCHEMA, VideoSpec, hash_of, make_shard, read_shard, shards_of
from tests.data.diving_files import write_download
from tests.data.videos import SIZE, drawn, truncated

SPEC = VideoSpec("lists", frames=4)


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight and four real videos; the third one is cut off, the fifth one missing."""
    folder = write_download(tmp_path_factory.mktemp("official") / "diving48", videos=True)
    whole = folder / "rgb/trainVideo2_00002.mp4"
    truncated(whole, whole)
    (folder / "rgb/trainVideo0_00004.mp4").unlink()
    return folder


def test_lists_are_cut_into_shards_in_their_order(download: Path) -> None:
    first, second = shards_of("train", read_annotations(download, "train"), 5)
    assert (first.name, second.name) == ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet")
    assert [clip.video_id[-1] for clip in second.clips] == ["5", "6", "7"]
    assert second.first == 5


def test_a_shard_has_a_row_per_whole_video_and_reasons_for_the_others(download: Path, tmp_path: Path) -> None:
    root = Storage.at(tmp_path)
    (shard,) = shards_of("train", read_annotations(download, "train"))
    facts = make_shard(download, root, SPEC, shard)
    assert facts.rows == 6
    assert facts.quarantine["trainVideo0_00004"] == "is missing"
    assert facts.quarantine["trainVideo2_00002"].startswith("is truncated or corrupt: ")
    assert read_shard(root, SPEC, shard) == facts
    table = pq.read_table(tmp_path / shard.name)
    assert table.schema.names == SCHEMA.names
    row = table.slice(1, 1).to_pylist()[0]
    assert (row["clip_id"], row["place"], row["label"], row["source_video"]) == (
        "trainVideo1_00001",
        1,
        1,
        "trainVideo1",
    )
    assert (row["height"], row["width"], row["frames_in_video"], row["split"]) == (*SIZE, 41, "train")
    assert row["decoder"] == f"OpenCV {cv2.__version__}"
    frames = decoded_frames(row["frames"])
    assert (frames.shape, frames.dtype) == ((4, *SIZE, 3), np.uint8)
    assert np.abs(frames[3].astype(int) - drawn(40)).mean() < 12


def test_other_tools_read_it(download: Path, tmp_path: Path) -> None:
    (shard,) = shards_of("test", read_annotations(download, "test"))
    make_shard(download, Storage.at(tmp_path), SPEC, shard)
    frame = pd.read_parquet(tmp_path / shard.name)
    assert frame["label_name"].iloc[3] == "Back, 15som, NoTwis, PIKE"
    assert frame["frames"].iloc[0][0].startswith(b"\xff\xd8")


def test_a_shard_without_a_single_whole_video(download: Path, tmp_path: Path) -> None:
    clips = [clip for clip in read_annotations(download, "train") if clip.video_id.endswith(("2", "4"))]
    (shard,) = shards_of("train", clips)
    facts = make_shard(download, Storage.at(tmp_path), SPEC, shard)
    assert (facts.rows, len(facts.quarantine)) == (0, 2)
    assert read_shard(Storage.at(tmp_path), SPEC, shard).rows == 0


def test_the_same_videos_give_the_same_bytes(download: Path, tmp_path: Path) -> None:
    (shard,) = shards_of("test", read_annotations(download, "test"))
    facts = [make_shard(download, Storage.at(tmp_path / name), SPEC, shard) for name in ("a", "b")]
    assert facts[0] == facts[1]


def test_corrupt_shards_and_those_of_other_clips_are_told(download: Path, tmp_path: Path) -> None:
    root = Storage.at(tmp_path)
    (shard,) = shards_of("test", read_annotations(download, "test"))
    make_shard(download, root, SPEC, shard)
    with pytest.raises(BadInput, match=r"shard .*test-00000-of-00001\.parquet was made of other clips; choose another"):
        read_shard(root, VideoSpec("other", frames=4), shard)
    content = (tmp_path / shard.name).read_bytes()
    (tmp_path / shard.name).write_bytes(content[:-50])
    with pytest.raises(BadInput, match=r"shard .*test-00000-of-00001\.parquet is corrupt"):
        read_shard(root, SPEC, shard)


def test_the_hash_of_the_lists_covers_names_labels_and_order(download: Path) -> None:
    clips = read_annotations(download, "test")
    assert hash_of([clips]) == hash_of([read_annotations(download, "test")])
    assert len({hash_of([clips]), hash_of([clips[::-1]]), hash_of([clips, clips]), hash_of([clips[1:]])}) == 4
