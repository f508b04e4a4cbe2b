"""Decoding through Ray tasks, interrupted and taken up again."""

import json
import shutil
from pathlib import Path

import pytest

from rac_ray.data.generate import generate
from rac_ray.data.manifest import require_manifest, shard_contents, verify
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OfficialVideos, find_clip
from tests.data.diving_files import write_download
from tests.data.videos import truncated, write_video

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_download(tmp_path_factory.mktemp("official") / "diving48", videos=True)
    broken = folder / "rgb/trainVideo2_00002.mp4"
    truncated(broken, broken)
    return folder


def test_only_missing_shards_are_made(download: Path, tmp_path: Path) -> None:
    root, lines = Storage.at(tmp_path / "data"), []
    found = generate(root, OfficialVideos.at(download, clips_per_shard=3), lines.append)
    assert (found.clips, found.made, list(found.left_out)) == (11, 3 + 2, ["trainVideo2_00002"])
    progress = [line for line in lines if "clips/s" in line]
    assert len(progress) == 5
    assert progress[-1].startswith("data 12/12 clips made: ")
    assert progress[-1].endswith(" clips/s, none left")
    (lacking,) = set(lines) - set(progress)
    assert lacking.startswith("data trainVideo2_00002 is truncated or corrupt: ")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "data").glob("*.parquet")}
    (tmp_path / "data/test-00001-of-00002.parquet").unlink()
    assert generate(root, OfficialVideos.at(download, clips_per_shard=3)).made == 1
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "data").glob("*.parquet")}
    assert [name for name in before if before[name] != after[name]] == ["test-00001-of-00002.parquet"]


def test_the_manifest_tells_clips_left_out_and_both_validation_splits(download: Path, tmp_path: Path) -> None:
    generate(Storage.at(tmp_path / "data"), OfficialVideos.at(download))
    assert verify(Storage.at(tmp_path / "data")) == []
    manifest = json.loads((tmp_path / "data/manifest.json").read_text())
    assert (manifest["splits"]["train"]["clips"], manifest["splits"]["test"]["clips"]) == (7, 4)
    assert list(manifest["splits"]["train"]["left_out"]) == ["trainVideo2_00002"]
    assert set(manifest["val"]) == {"authors", "grouped"}
    assert len(manifest["val"]["authors"]) == 1
    assert manifest["identity"]["frames"] == 32


@pytest.fixture
def copied(download: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(download, tmp_path / "copy"))


def test_a_video_that_came_or_was_mended_comes_in_by_the_same_command(copied: Path, tmp_path: Path) -> None:
    root, late = Storage.at(tmp_path / "data"), copied / "rgb/trainVideo1_00001.mp4"
    late.rename(tmp_path / "late.mp4")
    first = generate(root, OfficialVideos.at(copied))
    assert first.left_out["trainVideo1_00001"] == "is missing"
    assert (len(first.left_out), first.clips) == (2, 10)
    assert generate(root, OfficialVideos.at(copied)).made == 0
    (tmp_path / "late.mp4").rename(late)
    second = generate(root, OfficialVideos.at(copied))
    assert (second.made, second.clips, list(second.left_out)) == (1, 11, ["trainVideo2_00002"])
    assert generate(root, OfficialVideos.at(copied)).made == 0
    write_video(copied / "rgb/trainVideo2_00002.mp4", 42)
    third = generate(root, OfficialVideos.at(copied))
    assert (third.made, third.clips, third.left_out) == (1, 12, {})
    assert verify(root) == []


def test_a_video_that_came_while_nothing_was_whole_comes_in(copied: Path, tmp_path: Path) -> None:
    """A first run was ended before it wrote the manifest."""
    root, late = Storage.at(tmp_path / "data"), copied / "rgb/trainVideo1_00001.mp4"
    late.rename(tmp_path / "late.mp4")
    generate(root, OfficialVideos.at(copied))
    root.delete("manifest.json")
    (tmp_path / "late.mp4").rename(late)
    assert list(generate(root, OfficialVideos.at(copied)).left_out) == ["trainVideo2_00002"]


def test_files_that_are_the_same_are_tried_again_on_request_only(copied: Path, tmp_path: Path) -> None:
    root = Storage.at(tmp_path / "data")
    generate(root, OfficialVideos.at(copied))
    assert generate(root, OfficialVideos.at(copied)).made == 0
    assert generate(root, OfficialVideos.at(copied), again=True).made == 1


def test_clips_are_never_lost_with_their_videos(copied: Path, tmp_path: Path) -> None:
    """Somebody made room, and decodes again."""
    root = Storage.at(tmp_path / "data")
    generate(root, OfficialVideos.at(copied))
    before = root.read_bytes("train-00000-of-00001.parquet")
    (copied / "rgb/trainVideo3_00003.mp4").unlink()
    sentence = r"train-00000-of-00001\.parquet would lose trainVideo3_00003, which is missing now; bring its file back"
    with pytest.raises(BadInput, match=sentence):
        generate(root, OfficialVideos.at(copied), again=True)
    shutil.rmtree(copied / "rgb")
    assert generate(root, OfficialVideos.at(copied)).made == 0
    assert root.read_bytes("train-00000-of-00001.parquet") == before


def test_an_exchanged_video_gives_other_clips_when_its_shard_is_deleted(copied: Path, tmp_path: Path) -> None:
    """Other libraries that give other pixels of the same videos are refused, in ``tests/data/test_generate.py``."""
    root, name = Storage.at(tmp_path / "data"), "test-00000-of-00001.parquet"
    generate(root, OfficialVideos.at(copied))
    before = shard_contents(require_manifest(root), ["train", "test"])
    write_video(copied / "rgb/testVideo1_00001.mp4", 55)
    root.delete(name)
    assert generate(root, OfficialVideos.at(copied)).made == 1
    after = shard_contents(require_manifest(root), ["train", "test"])
    assert [file for file in before if before[file] != after[file]] == [name]
    assert verify(root) == []


def test_a_folder_of_other_clips_is_refused(download: Path, tmp_path: Path) -> None:
    root = Storage.at(tmp_path / "data")
    generate(root, OfficialVideos.at(download))
    other = write_download(tmp_path / "other", train=9, videos=False)
    with pytest.raises(BadInput, match=r"data folder '.*data' has lists '\w+' instead of '\w+'; choose another"):
        generate(root, OfficialVideos.at(other))


def test_a_clip_is_found_by_its_id_unless_it_is_left_out(download: Path, tmp_path: Path) -> None:
    root = Storage.at(tmp_path / "data")
    generate(root, OfficialVideos.at(download))
    assert len(find_clip(root, "testVideo1_00001")) == 32
    with pytest.raises(BadInput, match=r"clip 'trainVideo2_00002' is left out: it is truncated or corrupt"):
        find_clip(root, "trainVideo2_00002")
    with pytest.raises(BadInput, match=r"has no clip 'nobody'"):
        find_clip(root, "nobody")
