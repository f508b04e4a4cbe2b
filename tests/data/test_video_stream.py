"""Real files with matrices, covers, thumbnails, sound and edit lists."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from rac_ray.data.decoding import decode, read_opencv, read_pyav
from rac_ray.data.video_stream import PYAV, Refused, Turn, moving_stream
from tests.data.videos import SIZE, cut, drawn, truncated, turned, with_cover, write_silence, write_video

MATRICES = {
    (1, 0, 0, 1): "TL",
    (0, 1, -1, 0): "TR",
    (-1, 0, 0, -1): "BR",
    (0, -1, 1, 0): "BL",
    (-1, 0, 0, 1): "TR",
    (1, 0, 0, -1): "BL",
    (0, 1, 1, 0): "TL",
    (0, -1, -1, 0): "BR",
}
"""Quarter turns and their mirror images (a, b, c, d), and where they bring the top left corner."""
FRAGMENTED = "frag_keyframe+empty_moov"


def with_bright_corner(path: Path, codec: str) -> Path:
    picture = np.zeros((96, 160, 3), np.uint8)
    picture[:24, :40] = 255
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 160, "yuv420p"
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def bright_corner(frame: np.ndarray) -> str:
    height, width = frame.shape[:2]
    spots = {"TL": (8, 8), "TR": (8, width - 8), "BL": (height - 8, 8), "BR": (height - 8, width - 8)}
    return max(spots, key=lambda name: int(frame[spots[name]].sum()))


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB))


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as refused:
        decode(path, 4, 95)
    return str(refused.value)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libx265"])
@pytest.mark.parametrize(("matrix", "corner"), MATRICES.items())
def test_frames_are_upright_whatever_decodes(codec: str, matrix, corner: str, tmp_path: Path) -> None:
    video, jpegs = decode(turned(with_bright_corner(tmp_path / "a.mp4", codec), *matrix), 2, 95)
    assert [bright_corner(pixels(jpeg)) for jpeg in jpegs] == [corner] * 2
    assert (video.height, video.width) == pixels(jpegs[0]).shape[:2] == ((96, 160) if matrix[0] else (160, 96))


@pytest.mark.parametrize("matrix", MATRICES)
def test_both_decoders_turn_alike(matrix, tmp_path: Path) -> None:
    path = turned(with_bright_corner(tmp_path / "a.mp4", "libx264"), *matrix)
    stream = moving_stream(path)
    (video, first), (other, second) = read_opencv(path, stream, 2), read_pyav(path, stream, 2)
    assert (video.height, video.width) == (other.height, other.width)
    for one, two in zip(first, second, strict=True):
        assert one.shape == two.shape == (96, 160, 3)
        assert np.abs(one.astype(int) - two.astype(int)).mean() < 1.5


def test_a_matrix_moves_every_pixel_where_it_says() -> None:
    frame = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    for a, b, c, d in MATRICES:
        upright = Turn.of(np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32))(frame)
        places = [(a * x + c * y, b * x + d * y) for y in range(2) for x in range(3)]
        left, top = (min(each) for each in zip(*places, strict=True))
        for (x, y), value in zip(places, frame.reshape(-1, 3), strict=True):
            assert upright[y - top, x - left].tolist() == value.tolist()
    assert Turn.of(np.zeros(9, np.int32)) == Turn()


def test_other_angles_are_refused(tmp_path: Path) -> None:
    said = refusal(turned(with_bright_corner(tmp_path / "a.mp4", "mpeg4"), 1, 1, -1, 1))
    assert said == "is turned by an angle that is no multiple of 90 degrees"


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libx265"])
def test_a_cover_is_not_the_clip(codec: str, tmp_path: Path) -> None:
    video, jpegs = decode(with_cover(write_video(tmp_path / "a.mp4", 40, codec=codec, movflags="")), 3, 95)
    assert (video.height, video.width, video.frames_in_video, video.decoder.split()[0]) == (*SIZE, 40, "PyAV")
    assert np.abs(pixels(jpegs[2]).astype(int) - drawn(39)).mean() < 12


def test_sound_with_a_cover_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        write_silence(container, container.add_stream("aac", rate=48000), 1.0)
    assert refusal(with_cover(tmp_path / "a.m4a")) == "has no moving pictures"


@pytest.mark.parametrize("stills_first", [True, False])
def test_a_thumbnail_stream_is_not_the_clip(stills_first: bool, tmp_path: Path) -> None:
    """One that no flag tells: it has one frame, and more pixels than all of the clip's."""
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        streams: dict[str, Any] = {}
        for codec in ("mjpeg", "mpeg4") if stills_first else ("mpeg4", "mjpeg"):
            stream: Any = container.add_stream(codec, rate=25)
            stream.height, stream.width = (1024, 1024) if codec == "mjpeg" else SIZE
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            streams[codec] = stream
        for index in range(40):
            for codec, stream in streams.items():
                if codec == "mpeg4" or not index:
                    frame = av.VideoFrame.from_ndarray(drawn(index, (stream.height, stream.width)), format="rgb24")
                    container.mux(stream.encode(frame))
        for stream in streams.values():
            container.mux(stream.encode())
    assert moving_stream(tmp_path / "a.mp4").index == int(stills_first)
    assert decode(tmp_path / "a.mp4", 2, 95)[0].frames_in_video == 40


def test_a_still_picture_is_no_clip(tmp_path: Path) -> None:
    assert refusal(write_video(tmp_path / "a.mp4", 1)) == "is a still picture: it has one frame"
    (tmp_path / "b.mp4").write_bytes(cv2.imencode(".png", drawn(0))[1].tobytes())
    assert refusal(tmp_path / "b.mp4") == f"cannot be opened by {PYAV}"


def test_a_list_of_other_videos_is_none(tmp_path: Path) -> None:
    write_video(tmp_path / "other.mp4", 10)
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    assert refusal(tmp_path / "a.mp4") == f"cannot be opened by {PYAV}"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("longer sound.mp4", {"sound": 3.0}),
        ("fragments.mp4", {"movflags": FRAGMENTED}),
        ("fragments with sound.mp4", {"movflags": FRAGMENTED, "sound": 2.4}),
        ("fragments with longer sound.mp4", {"movflags": FRAGMENTED, "sound": 3.0}),
        ("longer sound.mkv", {"sound": 3.0}),
        ("longer sound.webm", {"sound": 3.0, "codec": "libvpx"}),
        ("longer sound.flv", {"sound": 3.0}),
        ("longer sound.ts", {"sound": 3.0}),
        ("frames out of order.avi", {}),
        ("mpeg.mpg", {"codec": "mpeg2video"}),
    ],
)
def test_whole_videos_are_taken_whole(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = write_video(tmp_path / name, **options, options={"g": "25", "bf": "2"})
    assert decode(path, 2, 95)[0].frames_in_video == 60


@pytest.mark.parametrize(("first", "last"), [(35, None), (35, 60), (0, 41)])
def test_what_an_edit_list_hides_is_not_lacking(first: int, last: int | None, tmp_path: Path) -> None:
    long = write_video(tmp_path / "long.mp4", 75, options={"g": "25", "bf": "2"}, movflags="")
    path = cut(long, tmp_path / "cut.mp4", first, last)
    video, jpegs = decode(path, 2, 95)
    assert video.frames_in_video == (last or 75) - first
    for jpeg, index in zip(jpegs, (first, (last or 75) - 1), strict=True):
        assert np.abs(pixels(jpeg).astype(int) - drawn(index)).mean() < 12


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"movflags": FRAGMENTED, "sound": 3.0}),
        ("a.mkv", {"sound": 3.0}),
        ("a.webm", {"sound": 3.0, "codec": "libvpx"}),
        ("a.avi", {}),
        ("a.flv", {"sound": 3.0}),
    ],
)
def test_half_a_file_is_still_told(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = write_video(tmp_path / name, **options, options={"g": "25"})
    assert "is truncated" in refusal(truncated(path, tmp_path / f"half-{name}"))


def test_a_file_that_ends_within_a_fragments_head_is_told(tmp_path: Path) -> None:
    """What is lost was counted nowhere else."""
    content = write_video(tmp_path / "whole.mp4", movflags=FRAGMENTED, options={"g": "10"}).read_bytes()
    third = [place for place in range(len(content)) if content[place : place + 4] == b"moof"][2]
    (tmp_path / "cut.mp4").write_bytes(content[: third + 30])
    assert refusal(tmp_path / "cut.mp4") == "is truncated: it ends within a fragment"


def test_a_video_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    """Two recordings one behind the other, as cameras and streams leave them."""
    with av.open(str(tmp_path / "a.ts"), "w") as container:
        stream: Any = container.add_stream("mpeg2video", rate=25)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for part, size in enumerate([SIZE, (64, 80)]):
            codec: Any = av.CodecContext.create("mpeg2video", "w")
            codec.height, codec.width, codec.pix_fmt, codec.framerate = *size, "yuv420p", 25
            codec.time_base = Fraction(1, 25)
            for index in range(11):
                frame = av.VideoFrame.from_ndarray(drawn(index, size), format="rgb24") if index < 10 else None
                if frame:
                    frame.pts, frame.time_base = 10 * part + index, codec.time_base
                for packet in codec.encode(frame):
                    packet.stream, packet.time_base = stream, codec.time_base
                    container.mux(packet)
    assert refusal(tmp_path / "a.ts") == "changes its size: 120 x 160 and 64 x 80 pixels"


def test_names_that_no_decoder_takes_are_told(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.mp4")
    path.write_bytes(b"video")
    assert refusal(path) == "has a name that is not UTF-8; rename it"
    assert refusal(tmp_path / ("x" * 300)) == "cannot be read (File name too long)"
