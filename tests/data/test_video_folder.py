import os
from pathlib import Path

import pytest

from rac_ray.data.video_folder import arranged, listing, split_of, videos_of
from rac_ray.errors import BadInput

SHARES = (0.7, 0.15, 0.15)


def touched(folder: Path, domain: str, class_name: str, *names: str) -> None:
    """Files that are videos by their names."""
    (folder / domain / class_name).mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / domain / class_name / name).write_bytes(b"not looked at")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for domain, count in (("day", 40), ("night", 3), ("fog", 2)):
        for class_name in ("jump", "walk"):
            touched(tmp_path, domain, class_name, *(f"{number:02d}.mp4" for number in range(count)))
    return tmp_path


def test_a_source_is_cut_by_names_and_all_of_a_target_is_test(folder: Path) -> None:
    arrangement = arranged(folder, "day", (), SHARES)
    counts = {part: len(videos) for part, videos in arrangement.parts.items()}
    assert sum(counts.pop(f"day/{split}") for split in ("train", "val", "test")) == 80
    assert counts == {"fog/test": 4, "night/test": 6}
    assert arrangement.classes == ("jump", "walk")
    for part, videos in arrangement.parts.items():
        assert [video.path for video in videos] == sorted(video.path for video in videos)
        if part.startswith("day/"):
            assert {split_of(video.name, SHARES) for video in videos} == {part.removeprefix("day/")}
    assert list(arranged(folder, "day", ("fog",), SHARES).parts)[3:] == ["fog/test"]


def test_shares_are_those_of_many_names() -> None:
    splits = [split_of(f"{number}.mp4", (0.5, 0.2, 0.3)) for number in range(10_000)]
    for split, share in (("train", 0.5), ("val", 0.2), ("test", 0.3)):
        assert splits.count(split) / 10_000 == pytest.approx(share, abs=0.02)


def test_other_files_and_hidden_ones_are_left_alone(folder: Path) -> None:
    touched(folder, "fog", "jump", "notes.txt", ".hidden.mp4", "LOUD.AVI")
    (folder / ".git").mkdir()
    found = videos_of(folder, "fog", ("jump", "walk"))
    assert [video.path for video in found] == [
        "fog/jump/00.mp4", "fog/jump/01.mp4", "fog/jump/LOUD.AVI", "fog/walk/00.mp4", "fog/walk/01.mp4",
    ]  # fmt: skip


def test_a_listing_tells_of_touched_files(folder: Path) -> None:
    before = listing(videos_of(folder, "fog", ("jump", "walk")))
    assert listing(videos_of(folder, "fog", ("jump", "walk"))) == before
    touched(folder, "fog", "jump", "01.mp4")
    assert listing(videos_of(folder, "fog", ("jump", "walk"))) != before


def test_bad_folders_are_named(folder: Path) -> None:
    def refused(message: str, source: str = "day", targets: tuple[str, ...] = (), where: Path = folder) -> None:
        with pytest.raises(BadInput, match=message):
            arranged(where, source, targets, SHARES)

    refused("folder of videos '.*nowhere' is missing; valid: one that holds DOMAIN/CLASS", where=folder / "nowhere")
    refused("has no folders of domains", where=folder / "day" / "jump")
    refused("unknown source domain 'dawn'; valid: day, fog, night", "dawn")
    refused("unknown target domain 'day'; valid: fog, night", targets=("day",))
    refused("fog/(train|val|test) is left without a video.*: a hash of their names puts none there", "fog")
    touched(folder, "one", "jump", "1.mp4")
    refused("domain 'one' has 1 folder of classes; valid: two or more", "one")
    touched(folder, "rain", "swim", "1.mp4")
    refused("unknown class of domain 'rain' 'swim'; valid: jump, walk", targets=("rain",))
    (folder / "dusk" / "walk").mkdir(parents=True)
    refused("dusk/walk has no videos; valid: files that end in .avi, ", targets=("dusk",))
    touched(folder, "a=b", "walk", "1.mp4")
    refused("domain 'a=b' has one of the characters ,=/ in its name", targets=("a=b",))


def test_files_that_no_table_can_hold_are_named(folder: Path) -> None:
    (folder / "fog/walk/gone.mp4").symlink_to(folder / "nowhere.mp4")
    with pytest.raises(BadInput, match=r"video '.*fog/walk/gone\.mp4' cannot be read \(No such file or directory\)"):
        videos_of(folder, "fog", ("jump", "walk"))
    (folder / "fog/walk/gone.mp4").unlink()
    (folder / "fog/walk" / os.fsdecode(b"\xff.mp4")).touch()
    with pytest.raises(BadInput, match=r"video '.*\\udcff\.mp4' has a name that is not UTF-8; rename it"):
        videos_of(folder, "fog", ("jump", "walk"))


def test_a_class_whose_videos_are_all_left_out_is_named(folder: Path) -> None:
    arrangement = arranged(folder, "day", ("fog",), SHARES)
    arrangement.require_clips({"fog/walk/00.mp4": "is empty"})
    with pytest.raises(BadInput, match=r"fog/test is left without a video of class 'walk': fog/walk/00.mp4 is empty"):
        arrangement.require_clips({"fog/walk/00.mp4": "is empty", "fog/walk/01.mp4": "is empty"})
    val = {video.path: "is empty" for video in arrangement.parts["day/val"]}
    with pytest.raises(BadInput, match=r"day/val is left without a video: day/jump/\d+.mp4 is empty"):
        arrangement.require_clips(val)
