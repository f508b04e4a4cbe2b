from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rac_ray.data.decoder import decoded_frames
from rac_ray.data.shards import Shard, ShardReport
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OFFICIAL_COLUMNS, OfficialVideos
from rac_ray.studies.diving48.lists import Annotation, read_annotations
from tests.data.diving_files import write_download
from tests.data.videos import SIZE, drawn, truncated


def cut(download: Path, split: str, clips: Sequence[Annotation] | None = None, size: int = 64) -> OfficialVideos:
    """Clips of one split, four frames of each."""
    lists = {split: read_annotations(download, split) if clips is None else clips}
    return OfficialVideos(download, lists, clips_per_shard=size, frames=4)


def made(dataset: OfficialVideos, root: Storage) -> tuple[Shard, ShardReport]:
    """The only shard."""
    ((shard,),) = dataset.parts().values()
    return shard, dataset.write(root, shard, dataset.maker())


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight and four real videos; the third one is cut off, the fifth one missing."""
    folder = write_download(tmp_path_factory.mktemp("official") / "diving48", videos=True)
    whole = folder / "rgb/trainVideo2_00002.mp4"
    truncated(whole, whole)
    (folder / "rgb/trainVideo0_00004.mp4").unlink()
    return folder


def test_lists_are_cut_into_shards_in_their_order(download: Path) -> None:
    dataset = cut(download, "train", size=5)
    first, second = dataset.parts()["train"]
    assert (first.name, second.name) == ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet")
    assert [clip.video_id[-1] for clip in dataset.clips_of(second)] == ["5", "6", "7"]
    assert second.first == 5


def test_a_shard_has_a_row_per_whole_video_and_reasons_for_the_others(download: Path, tmp_path: Path) -> None:
    root, dataset = Storage.at(tmp_path), cut(download, "train")
    shard, report = made(dataset, root)
    assert (report.rows, sum(report.class_counts.values())) == (6, 6)
    assert report.left_out["trainVideo0_00004"] == "is missing"
    assert report.left_out["trainVideo2_00002"].startswith("is truncated or corrupt: ")
    assert dataset.read(root, shard) == report
    table = pq.read_table(tmp_path / shard.name)
    assert table.schema.names == OFFICIAL_COLUMNS.names
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
    shard, _ = made(cut(download, "test"), Storage.at(tmp_path))
    frame = pd.read_parquet(tmp_path / shard.name)
    assert frame["label_name"].iloc[3] == "Back, 15som, NoTwis, PIKE"
    assert frame["frames"].iloc[0][0].startswith(b"\xff\xd8")


def test_a_row_is_a_row_group_and_not_compressed_again(download: Path, tmp_path: Path) -> None:
    shard, report = made(cut(download, "test"), Storage.at(tmp_path))
    file = pq.ParquetFile(tmp_path / shard.name)
    assert file.num_row_groups == report.rows == 4
    assert file.metadata.row_group(0).column(0).compression == "UNCOMPRESSED"


def test_a_shard_without_a_single_whole_video(download: Path, tmp_path: Path) -> None:
    broken = [clip for clip in read_annotations(download, "train") if clip.video_id.endswith(("2", "4"))]
    root, dataset = Storage.at(tmp_path), cut(download, "train", broken)
    shard, report = made(dataset, root)
    assert (report.rows, len(report.left_out)) == (0, 2)
    assert dataset.read(root, shard) == report


def test_the_same_videos_give_the_same_bytes(download: Path, tmp_path: Path) -> None:
    assert len({made(cut(download, "test"), Storage.at(tmp_path / name))[1].sha256 for name in ("a", "b")}) == 1


def test_corrupt_shards_are_made_again_and_those_of_other_clips_are_told(download: Path, tmp_path: Path) -> None:
    root, dataset = Storage.at(tmp_path), cut(download, "test")
    shard, _ = made(dataset, root)
    other = cut(download, "test", read_annotations(download, "test")[::-1])
    with pytest.raises(BadInput, match=r"shard .*test-00000-of-00001\.parquet was made for another dataset spec"):
        other.read(root, shard)
    content = (tmp_path / shard.name).read_bytes()
    (tmp_path / shard.name).write_bytes(content[:-50])
    assert dataset.read(root, shard) is None


def test_the_identity_covers_names_labels_and_order_of_the_lists(download: Path) -> None:
    clips = read_annotations(download, "test")
    assert cut(download, "test").identity() == cut(download, "test", clips).identity()
    lists = [clips, clips[::-1], clips[1:], [*clips, *clips]]
    assert len({cut(download, "test", each).identity()["lists"] for each in lists}) == 4
