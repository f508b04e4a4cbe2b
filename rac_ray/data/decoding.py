"""One video to evenly spaced frames as JPEG: OpenCV first, PyAV as the second decoder; strict, never shortened.

Runs as a process of its own (``main``), which ``decoder`` starts, and kills when a file makes it hang. A file that
does not decode whole is refused with the reason; what FFmpeg would conceal counts as an error. Damage inside a frame
that still decodes cannot be told: these files carry no checksums.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ |= {
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "err_detect;explode",
    "OPENCV_LOG_LEVEL": "OFF",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
}

import av
import av.error
import av.logging
import cv2
import numpy as np
from numpy.typing import NDArray

from rac_ray.data.video_stream import PYAV, Frame, MovingStream, Refused, moving_stream

STRICT_IN_OPENCV = ("avc1", "h264", "vp80", "vp90", "vp09")
"""Codecs (lower case) in which OpenCV stops at an error; in others it makes frames up, so that PyAV decodes them."""
UNEVEN = 1.5
"""Longest over shortest time between frames above which a frame rate counts as variable; rounding stays below."""

READY = b"ready"
"""What the process says first, when all that it needs is loaded."""


@dataclass(frozen=True)
class Video:
    """What is known of a decoded video."""

    height: int
    width: int
    frames_in_video: int
    fps: float
    decoder: str
    """Name and version, as in ``OpenCV 5.0.0``."""


def sampled(frames_in_video: int, count: int) -> NDArray[np.int64]:
    """(count,) indices of evenly spaced frames, first and last included; short videos repeat (facts.md 3.1)."""
    return np.round(np.linspace(0, frames_in_video - 1, count)).astype(np.int64)


def decode(path: Path, count: int, quality: int) -> tuple[Video, list[bytes]]:
    """A video's data and ``count`` evenly spaced frames as JPEG of ``quality``; raises Refused with the reason."""
    _require_file(path)
    stream, reasons = moving_stream(path), []
    for reader in READERS:
        try:
            video, frames = reader(path, stream, count)
        except Refused as refused:
            if refused.final:
                raise
            reasons.append(str(refused))
        else:
            parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
            upright = map(stream.turn, frames)
            return video, [cv2.imencode(".jpg", frame, parameters)[1].tobytes() for frame in upright]
    raise Refused("; ".join(reasons))


def _require_file(path: Path) -> None:
    """Raise Refused unless there is a file that decoders can be asked for."""
    try:
        str(path).encode()
        if not path.is_file():
            raise Refused("is missing", final=True)
        if path.stat().st_size == 0:
            raise Refused("is empty", final=True)
    except UnicodeEncodeError as error:
        raise Refused("has a name that is not UTF-8; rename it", final=True) from error
    except OSError as error:
        raise Refused(f"cannot be read ({error.strerror})", final=True) from error


def read_opencv(path: Path, stream: MovingStream, count: int) -> tuple[Video, Iterator[Frame]]:
    """By OpenCV, frames as they are stored: one pass counts, a second one keeps the wanted frames."""
    name = f"OpenCV {cv2.__version__}"
    if not stream.first:
        raise Refused(f"{name} takes another stream of pictures")
    capture = _opened(path)
    if not capture.isOpened():
        raise Refused(f"cannot be opened by {name}")
    codec = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1").lower()
    if codec not in STRICT_IN_OPENCV:
        raise Refused(f"{name} does not tell errors of the codec {codec!r}")
    size = [int(capture.get(each)) for each in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)]
    fps, times = capture.get(cv2.CAP_PROP_FPS), []
    while capture.grab():
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    capture.release()
    _require_whole(stream, times, name)
    again = _opened(path)
    video = _video(stream, (size[0], size[1]), len(times), fps, name)
    return video, _picked(again.grab, lambda: np.asarray(again.retrieve()[1], np.uint8), len(times), count)


def read_pyav(path: Path, stream: MovingStream, count: int) -> tuple[Video, Iterator[Frame]]:
    """By PyAV, likewise."""
    times, sizes = [], []
    with av.open(str(path)) as container:
        pictures = _strict(container, stream)
        rate = float(pictures.average_rate or 0)
        try:
            for frame in container.decode(pictures):
                times.append(1000 * (frame.time or 0.0))
                sizes.append((frame.height, frame.width))
        except av.error.FFmpegError as error:
            raise Refused(f"is truncated or corrupt: {len(times)} of {stream.frames} frames by {PYAV}") from error
    if len(both := dict.fromkeys(sizes)) > 1:
        raise Refused("changes its size: " + " and ".join(f"{h} x {w}" for h, w in both) + " pixels", final=True)
    _require_whole(stream, times, PYAV)
    return _video(stream, sizes[0], len(times), rate, PYAV), _again(path, stream, len(times), count)


READERS: tuple[Callable[[Path, MovingStream, int], tuple[Video, Iterator[Frame]]], ...] = (read_opencv, read_pyav)


def _opened(path: Path) -> cv2.VideoCapture:
    """A capture that leaves frames as they are stored: it would turn them by some matrices and not by others."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    return capture


def _strict(container: Any, stream: MovingStream) -> Any:
    pictures = container.streams[stream.index]
    pictures.codec_context.options = {"err_detect": "explode"}
    return pictures


def _video(stream: MovingStream, size: tuple[int, int], frames: int, fps: float, name: str) -> Video:
    """``size`` is (H, W) of a frame as it is stored."""
    height, width = size[::-1] if stream.turn.transposed else size
    return Video(height, width, frames, fps, name)


def _again(path: Path, stream: MovingStream, frames_in_video: int, count: int) -> Iterator[Frame]:
    with av.open(str(path)) as container:
        frames = container.decode(_strict(container, stream))
        current: list[Any] = []

        def grab() -> bool:
            current[:] = [next(frames)]
            return True

        yield from _picked(grab, lambda: current[0].to_ndarray(format="bgr24"), frames_in_video, count)


def _picked(
    grab: Callable[[], bool], retrieve: Callable[[], Frame], frames_in_video: int, count: int
) -> Iterator[Frame]:
    """The sampled frames in order, one in memory at a time; repeated where the video is short."""
    wanted = sampled(frames_in_video, count)
    for index in range(frames_in_video):
        grab()
        times = int((wanted == index).sum())
        if times:
            frame = retrieve()
            yield from [frame] * times


def _require_whole(stream: MovingStream, times: list[float], name: str) -> None:
    """``times`` are those of the frames that came, in milliseconds."""
    decoded = len(times)
    if not decoded:
        raise Refused(f"has no frames that {name} can decode")
    if decoded < stream.frames - (not stream.exact):
        raise Refused(f"is truncated or corrupt: {decoded} of {stream.frames} frames by {name}")
    if decoded == 1:
        raise Refused("is a still picture: it has one frame", final=True)
    apart = np.diff(times)
    if stream.timed and apart.max() > UNEVEN * max(apart.min(), 1e-6):
        raise Refused(f"has a variable frame rate: frames are {apart.min():.0f} to {apart.max():.0f} ms apart", True)


def serve(connection: Connection) -> None:
    """Answer requests (JSON: path, count, quality) until the other side closes: JSON, then one message per frame."""
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            video, frames = decode(Path(request["path"]), request["count"], request["quality"])
        except Refused as refused:
            connection.send_bytes(json.dumps({"reason": str(refused)}).encode())
        else:
            connection.send_bytes(json.dumps(asdict(video)).encode())
            for frame in frames:
                connection.send_bytes(frame)


def main(descriptor: int) -> None:
    """The process: loaded by now, it says so, and answers at that end of a socket."""
    cv2.setNumThreads(1)
    av.logging.set_level(None)
    connection = Connection(descriptor)
    connection.send_bytes(READY)
    serve(connection)
