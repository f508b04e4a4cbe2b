"""Real encoded videos, whole and broken in every way that a download can be."""

from fractions import Fraction
from pathlib import Path

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
) -> Path:
    """A video of ``drawn`` frames at 25 frames per second, or at the given times; its index stands in front."""
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
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
    return path


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
