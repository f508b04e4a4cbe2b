from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

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
from tests.segmentation.conftest import COLOURS, write_frames


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
    assert list(by_video(named("p1f1", "p1f2", "q2"), r"(p\d)f\d|q\d")) == ["p1", "q2"], "the group takes no part"


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
    with pytest.raises(BadInput, match=r"there are images without a mask of their name: b_1\.jpg$"):
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
    assert told(line) == "mask a_1.png has a diver that is nowhere 3 x 3 pixels: a soft edge, or a stray colour?"
    frame.image.write_bytes(b"")
    with pytest.raises(BadInput, match=r"a_1\.jpg' is no picture, or is damaged"):
        read_frame(frame)


def told_of(mask: np.ndarray, frame: FrameFiles) -> str:
    cv2.imwrite(str(frame.mask), mask)
    with pytest.raises(BadInput) as refused:
        read_frame(frame)
    return str(refused.value)


@pytest.fixture
def frame(tmp_path: Path) -> FrameFiles:
    (frame,) = find_frames(write_frames(tmp_path / "f", ["a_1"]))
    return frame


@pytest.mark.parametrize("value", [1, 37, 255])
@pytest.mark.parametrize("grey", [True, False])
def test_any_two_values_are_a_mask(value: int, grey: bool, frame: FrameFiles) -> None:
    drawn = read_frame(frame).masks[0]
    mask = np.uint8(value) * drawn.astype(np.uint8)
    cv2.imwrite(str(frame.mask), mask if grey else np.dstack([mask] * 3))
    assert (read_frame(frame).masks == drawn).all()


def test_soft_noisy_and_inverted_masks_are_refused(frame: FrameFiles) -> None:
    drawn = 255 * read_frame(frame).masks[0].astype(np.uint8)
    few = cv2.blur(drawn, (3, 3))
    few[(few > 0) & (few < 255)] = 128
    assert (
        told_of(few, frame) == "mask a_1.png has a diver that is nowhere 3 x 3 pixels: a soft edge, or a stray colour?"
    )
    soft = cv2.GaussianBlur(drawn, (31, 31), 5)
    assert " colours; valid: one flat colour per diver, no soft edges, no JPEG" in told_of(soft, frame)
    assert told_of(255 - drawn, frame).startswith("mask a_1.png does not have its lowest colour as its background")
    photograph = cv2.imread(str(frame.image))
    assert photograph is not None
    assert " colours; valid: one flat colour per diver" in told_of(photograph, frame)
    jpeg = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    frame.mask.write_bytes(jpeg)
    with pytest.raises(BadInput, match=r"mask a_1\.png has .* (soft edges, no JPEG|a soft edge, or a stray colour\?)$"):
        read_frame(frame)


def test_values_that_reading_would_merge_are_refused(frame: FrameFiles) -> None:
    """256 and 257 of 16 bits are both 1 of 8; what is transparent has a colour that nobody sees."""
    drawn = read_frame(frame).masks[0]
    assert told_of(256 * drawn.astype(np.uint16), frame) == "mask a_1.png has 16 bits a channel; valid: 8"
    colours = np.where(drawn[..., None], np.array([*COLOURS[0], 255], np.uint8), np.array([0, 0, 0, 0], np.uint8))
    assert told_of(colours, frame) == "mask a_1.png has transparent pixels; valid: colours only"
    colours[..., 3] = 255
    cv2.imwrite(str(frame.mask), colours)
    assert (read_frame(frame).masks[0] == drawn).all()


@pytest.mark.parametrize("which", ["image", "mask"])
@pytest.mark.parametrize("orientation", [2, 3, 6])
def test_a_picture_that_viewers_turn_is_refused(which: str, orientation: int, frame: FrameFiles) -> None:
    """Size alone does not tell: half a turn and a mirror image keep it."""
    path = getattr(frame, which)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.open(path).save(path, exif=exif)
    with pytest.raises(BadInput, match=rf"{path.name}' is turned when it is shown \(EXIF orientation {orientation}\)"):
        read_frame(frame)


@pytest.mark.parametrize("which", ["image", "mask"])
def test_half_a_picture_is_damaged(which: str, frame: FrameFiles) -> None:
    """OpenCV would make up the rest in grey."""
    path = getattr(frame, which)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(BadInput, match=rf"{path.name}' is no picture, or is damaged"):
        read_frame(frame)
