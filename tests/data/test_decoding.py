"""Real videos, whole and broken, through both decoders, in this process."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from rac_ray.data.decoding import decode, read_opencv, read_pyav, sampled
from rac_ray.data.video_stream import PYAV, Refused, moving_stream
from tests.data.videos import SIZE, corrupted, drawn, truncated, write_video

OPENCV = f"OpenCV {cv2.__version__}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "whole.mp4")


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as refused:
        decode(path, 32, 95)
    return str(refused.value)


def test_frames_are_evenly_spaced_with_both_ends() -> None:
    """facts.md 3.1: round(linspace(0, n - 1, 32)); numpy rounds halves to even, as the authors' loader did."""
    assert sampled(32, 32).tolist() == list(range(32))
    assert sampled(60, 4).tolist() == [0, 20, 39, 59]
    assert sampled(2, 4).tolist() == [0, 0, 1, 1]
    assert sampled(1, 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.webm", "libvpx-vp9")])
def test_the_right_frames_come_out(name: str, codec: str, tmp_path: Path) -> None:
    video, jpegs = decode(write_video(tmp_path / name, 45, codec=codec), 8, 95)
    assert (video.height, video.width, video.frames_in_video, video.decoder) == (*SIZE, 45, OPENCV)
    assert video.fps == pytest.approx(25)
    for index, jpeg in zip(sampled(45, 8), jpegs, strict=True):
        frame = cv2.cvtColor(
            np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB
        )
        own = np.abs(frame.astype(int) - drawn(int(index))).mean()
        other = np.abs(frame.astype(int) - drawn(int(index) + 12)).mean()
        assert own < 12 < other


def test_both_decoders_agree(whole: Path) -> None:
    stream = moving_stream(whole)
    (video, first), (other, second) = read_opencv(whole, stream, 10), read_pyav(whole, stream, 10)
    assert (video.frames_in_video, video.fps) == (other.frames_in_video, other.fps)
    assert other.decoder == PYAV
    for one, two in zip(first, second, strict=True):
        assert np.abs(one.astype(int) - two.astype(int)).mean() < 1.5


def test_a_codec_whose_errors_opencv_hides_goes_to_pyav(tmp_path: Path) -> None:
    path = write_video(tmp_path / "old.mp4", codec="mpeg4")
    assert decode(path, 4, 95)[0].decoder == PYAV
    assert refusal(corrupted(path, tmp_path / "broken.mp4")).startswith(
        f"{OPENCV} does not tell errors of the codec 'fmp4'; is truncated or corrupt: "
    )


def test_short_videos_repeat_frames(tmp_path: Path) -> None:
    video, jpegs = decode(write_video(tmp_path / "short.mp4", 3), 6, 95)
    assert video.frames_in_video == 3
    assert [jpegs.index(each) for each in jpegs] == [0, 0, 2, 2, 4, 4]


@pytest.mark.parametrize("damage", [truncated, corrupted])
def test_a_damaged_file_is_never_shortened(damage, whole: Path, tmp_path: Path) -> None:
    said = refusal(damage(whole, tmp_path / "damaged.mp4"))
    opencv, pyav = said.split("; ")
    assert opencv.startswith("is truncated or corrupt: ")
    assert opencv.endswith(f" of 60 frames by {OPENCV}")
    assert pyav.endswith(f" of 60 frames by {PYAV}")


def test_a_truncated_webm_is_noticed_by_its_duration(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.webm", codec="libvpx")
    said = refusal(truncated(path, tmp_path / "half.webm"))
    assert " of 60 frames by OpenCV" in said
    assert " of 60 frames by PyAV" in said


def test_a_variable_frame_rate_is_told_with_its_range(tmp_path: Path) -> None:
    times = [40 * i if i < 30 else 1200 + (i - 30) * 120 for i in range(60)]
    path = write_video(tmp_path / "vfr.mp4", milliseconds=times)
    assert refusal(path) == "has a variable frame rate: frames are 40 to 120 ms apart"


def test_rounded_times_are_an_even_rate(tmp_path: Path) -> None:
    """29.97 frames per second in milliseconds: 33 or 34 apart."""
    times = [round(1000 * i / 29.97) for i in range(60)]
    assert decode(write_video(tmp_path / "a.webm", codec="libvpx", milliseconds=times), 2, 95)[0].frames_in_video == 60


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video\n" * 500)
    assert refusal(tmp_path / "text.mp4") == f"cannot be opened by {PYAV}"


def test_a_video_without_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "none.mp4", 0)
    assert path.stat().st_size > 0
    assert refusal(path) == "has no moving pictures"


def test_missing_and_empty_files(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.mp4") == "is missing"
    (tmp_path / "empty.mp4").touch()
    assert refusal(tmp_path / "empty.mp4") == "is empty"
