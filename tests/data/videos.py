"""Real encoded videos, whole and broken in every way that a download can be."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (120, 160)
"""Height and width."""


def drawn(index: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Frame ``index``: a bright disc that moves two pixels a frame over dim noise, RGB."""
    noise = np.random.default_rng(index).integers(0, 40, (*size, 3), dtype=np.uint8)
    return np.asarray(cv2.circle(noise, (10 + 2 * index % 140, 60), 12, (40, 220, 90), -1), np.uint8)


def write_video(
    path: Path,
    frames: int = 60,
    *,
    codec: str = "libx264",
    milliseconds: list[int] | None = None,
    size: tuple[int, int] = SIZE,
    sound: float = 0.0,
    movflags: str = "faststart",
    options: dict[str, str] | None = None,
) -> Path:
    """A video of ``drawn`` frames at 25 frames per second, or at the given times; its index stands in front.

    ``sound`` is its seconds of silence, ``options`` are the encoder's.
    """
    with av.open(
        str(path), "w", options={"movflags": movflags} if path.suffix == ".mp4" and movflags else {}
    ) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        audio = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48000) if sound else None
        stream.height, stream.width = size  # pyright: ignore[reportAttributeAccessIssue]
        stream.pix_fmt = "yuv420p"  # pyright: ignore[reportAttributeAccessIssue]
        if milliseconds:
            stream.codec_context.time_base = Fraction(1, 1000)
        container.start_encoding()
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(drawn(index, size), format="rgb24")
            if milliseconds:
                frame.pts, frame.time_base = milliseconds[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
        if frames:
            container.mux(stream.encode())  # pyright: ignore[reportAttributeAccessIssue]
        if audio:
            write_silence(container, audio, sound)
    return path


def write_silence(container: Any, audio: Any, seconds: float) -> None:
    for number in range(int(seconds * 48000) // 960 + 1):
        some = av.AudioFrame.from_ndarray(np.zeros((2, 960), np.float32), format="fltp", layout="stereo")
        some.rate, some.pts = 48000, 960 * number
        container.mux(audio.encode(some))
    container.mux(audio.encode())


def cut(path: Path, to: Path, first: int, last: int | None = None) -> Path:
    """Frames from ``first`` on, not encoded again: from the key frame before, and an edit list hides what is too many.

    With ``last`` the edit list also ends there, as telephones trim.
    """
    with av.open(str(path)) as old, av.open(str(to), "w") as new:
        stream: Any = old.streams.video[0]
        into, shift = new.add_stream_from_template(stream), int(first / 25 / stream.time_base)
        old.seek(shift, stream=stream)
        for packet in old.demux(stream):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, into
                new.mux(packet)
    if last is not None:
        content = bytearray(to.read_bytes())
        at, scale = content.index(b"elst") + 12, content.index(b"mvhd") + 16
        (units,) = struct.unpack_from(">I", content, scale)
        struct.pack_into(">I", content, at, round((last - first) / 25 * units))
        to.write_bytes(content)
    return to


def turned(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """The same MP4 with another display matrix in its first track: x becomes ax + cy, y becomes bx + dy."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    struct.pack_into(">9i", content, place, a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def with_cover(path: Path) -> Path:
    """An MP4, whose index stands at its end, with a picture of 64 x 64 pixels in its tags, as players' tools put it."""
    jpeg = cv2.imencode(".jpg", np.full((64, 64, 3), 128, np.uint8))[1].tobytes()
    tag = _box(b"ilst", _box(b"covr", _box(b"data", struct.pack(">II", 13, 0) + jpeg)))
    meta = _box(b"meta", bytes(4) + _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9)) + tag)
    content = path.read_bytes()
    at = content.rindex(b"moov") - 4
    path.write_bytes(content[:at] + _box(b"moov", _box(b"udta", meta) + content[at + 8 :]))
    return path


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def truncated(path: Path, to: Path) -> Path:
    """The first half of a file."""
    content = path.read_bytes()
    to.write_bytes(content[: len(content) // 2])
    return to


def corrupted(path: Path, to: Path) -> Path:
    """The file with a tenth of it, from its middle on, overwritten with zeros, as by a download that lost a part."""
    content = bytearray(path.read_bytes())
    middle, size = len(content) // 2, len(content) // 10
    content[middle : middle + size] = bytes(size)
    to.write_bytes(content)
    return to
