from pathlib import Path

import cv2
import numpy as np
import pytest

from rac_ray.errors import BadInput
from rac_ray.segmentation.frames import (
    AUTHORS_FRAMES,
    FrameFiles,
    by_video,
    find_frames,
    instances_of,
    read_frame,
    split_frames,
)
from tests.segmentation.conftest import write_frames


def named(*names: str) -> list[FrameFiles]:
    return [FrameFiles(Path(f"{name}.jpg"), Path(f"{name}.png")) for name in names]


def test_frames_are_read_as_they_were_drawn(tmp_path: Path) -> None:
    frames = find_frames(write_frames(tmp_path / "f", ["b_00002_1", "a_00001_4"]))
    assert [frame.name for frame in frames] == ["a_00001_4", "b_00002_1"]
    one, two = (read_frame(frame) for frame in frames)
    assert (one.image.shape, one.masks.shape, two.masks.shape) == ((64, 80, 3), (1, 64, 80), (2, 64, 80))
    assert one.boxes.tolist() == [[12, 6, 28, 34]]
    assert two.boxes[0, 0] < two.boxes[1, 0]
    assert one.image[20, 20].tolist() == pytest.approx([90, 160, 240], abs=12)


def test_the_lowest_colour_is_the_background() -> None:
    colours = np.array([[[0, 0, 9], [0, 1, 0], [1, 0, 0]], [[0, 0, 9], [0, 1, 0], [0, 1, 0]]], np.uint8)
    masks = instances_of(colours)
    assert masks.astype(int).tolist() == [[[0, 1, 0], [0, 1, 1]], [[0, 0, 1], [0, 0, 0]]]


def test_the_authors_split_has_290_and_13_frames() -> None:
    frames = named(*(f"v_{number:05d}" for number in range(AUTHORS_FRAMES)))
    train, val = split_frames(frames, "frames")
    assert (len(train), len(val)) == (290, 13)
    assert {frame.name for frame in train} | {frame.name for frame in val} == {frame.name for frame in frames}
    assert split_frames(frames, "frames")[1] == val


@pytest.mark.parametrize("videos", [2, 7, 40, 303])
def test_a_video_is_never_on_both_sides(videos: int) -> None:
    frames = named(*(f"video{n % videos}x_{n // videos:05d}_{n}" for n in range(AUTHORS_FRAMES)))
    train, val = split_frames(frames)
    assert set(by_video(train)).isdisjoint(by_video(val))
    assert len(train) + len(val) == AUTHORS_FRAMES
    assert len(val) == 13 or (videos < 303 and val and len(val) <= max(13, AUTHORS_FRAMES // videos))


def test_a_video_is_the_name_without_the_numbers_at_its_end() -> None:
    names = ["aB3_00012-7", "aB3_00013_frame_2", "_x-Y9_00001", "_x-Y9_00002_1", "single"]
    assert list(by_video(named(*names))) == ["_x-Y9", "aB3", "single"]
    assert list(by_video(named("p1f1", "p1f2", "p2f1"), r"(p\d)f\d")) == ["p1", "p2"]


def test_what_cannot_be_split_is_told() -> None:
    with pytest.raises(BadInput, match="unknown hold-out 'clip'; valid: video, frames"):
        split_frames(named("a_1", "b_1"), "clip")
    with pytest.raises(BadInput, match=r"all 2 frames are of one video, 'a', by their names; give another --video-p"):
        split_frames(named("a_1", "a_2"))
    with pytest.raises(BadInput, match="1 frame cannot be split"):
        split_frames(named("a_1"))
    with pytest.raises(BadInput, match=r"video pattern '\(' is no regular expression"):
        split_frames(named("a_1", "a_2"), pattern="(")
    with pytest.raises(BadInput, match=r"video pattern 'a' has no group"):
        split_frames(named("a_1", "a_2"), pattern="a")


def test_bad_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no folder '.*nowhere'; frames are images in images/"):
        find_frames(tmp_path / "nowhere")
    folder = write_frames(tmp_path / "f", ["a_1", "b_1"])
    (folder / "masks/b_1.png").unlink()
    with pytest.raises(BadInput, match="has 2 images and 1 masks; valid: one mask per image"):
        find_frames(folder)
    with pytest.raises(BadInput, match="has no images"):
        find_frames(write_frames(tmp_path / "empty", []))


def test_bad_frames_are_told(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "f", ["a_1"])
    (frame,) = find_frames(folder)

    def told(mask: np.ndarray) -> str:
        cv2.imwrite(str(frame.mask), mask)
        with pytest.raises(BadInput) as refused:
            read_frame(frame)
        return str(refused.value)

    blank = np.zeros((64, 80, 3), np.uint8)
    assert told(blank) == "mask a_1.png has one colour only: no diver"
    assert told(blank[:50]) == "image a_1.jpg has 64 x 80 pixels and its mask a_1.png 50 x 80"
    line = blank.copy()
    line[5, 10:20] = 255
    assert told(line) == "mask a_1.png has a diver that is one pixel wide or high: a stray colour?"
    frame.image.write_bytes(b"")
    with pytest.raises(BadInput, match=r"a_1\.jpg' is no picture, or is damaged"):
        read_frame(frame)
