"""A folder of videos decoded by a real Ray."""

from pathlib import Path
from shutil import rmtree

import pytest

from rac_ray.data.generate import generate
from rac_ray.data.manifest import read_manifest, read_split, verify
from rac_ray.data.video_folder import arranged
from rac_ray.data.videos import LabelledVideos
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from tests.data.videos import truncated
from tests.studies.drawn_videos import draw_domain

pytestmark = pytest.mark.usefixtures("local_ray")


def decoded(folder: Path, root: Storage, source: str = "day", size: int = 16) -> tuple[dict[str, str], list[str]]:
    """What is left out, and what was said of shards."""
    lines: list[str] = []
    arrangement = arranged(folder, source, (), (0.5, 0.25, 0.25))
    left_out = generate(root, LabelledVideos(folder, arrangement, 3, size), lines.append).left_out
    return left_out, [line.split(": ")[1].partition(";")[0] for line in lines if "videos/s" in line]


def entries(root: Storage) -> dict[str, dict]:
    manifest = read_manifest(root)
    assert manifest
    return manifest["splits"]


def test_only_what_changed_is_decoded_and_the_manifest_has_what_is_there(tmp_path: Path) -> None:
    folder, root = tmp_path / "videos", Storage.at(tmp_path / "data")
    draw_domain(folder, "day", per_class=8)
    draw_domain(folder, "night", per_class=2)
    left_out, made = decoded(folder, root)
    assert left_out == {}
    assert len(made) == 4
    assert verify(root) == []
    assert entries(root).keys() == {"day/train", "day/val", "day/test", "night/test"}
    before = entries(root)
    assert read_split(root, "night/test").frames.shape == (4, 3, 3, 16, 16)
    assert decoded(folder, root) == ({}, [])

    draw_domain(folder, "fog", per_class=2)
    broken = folder / "fog/left/left001.mp4"
    truncated(broken, broken)
    left_out, made = decoded(folder, root)
    assert made == ["fog/test-00000-of-00001.parquet"]
    assert left_out.keys() == {"fog/left/left001.mp4"}
    assert {part: entries(root)[part] for part in before} == before
    assert entries(root)["fog/test"]["class_counts"] == {"left": 1, "right": 2}

    shard = tmp_path / "data/night/test-00000-of-00001.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert decoded(folder, root)[1] == ["night/test-00000-of-00001.parquet"]
    assert verify(root) == []

    rmtree(folder / "fog")
    assert decoded(folder, root) == ({}, [])
    assert entries(root) == before
    with pytest.raises(BadInput, match="has frame_size 16 instead of 20; choose another with --data"):
        decoded(folder, root, size=20)


def test_a_class_without_a_whole_video_refuses_the_run(tmp_path: Path) -> None:
    folder, root = tmp_path / "videos", Storage.at(tmp_path / "data")
    draw_domain(folder, "day", per_class=8)
    draw_domain(folder, "night", per_class=1)
    (folder / "night/left/left000.mp4").write_bytes(b"")
    with pytest.raises(
        BadInput, match=r"night/test is left without a video of class 'left': night/left/left000.mp4 is"
    ):
        decoded(folder, root)
    assert read_manifest(root) is None
