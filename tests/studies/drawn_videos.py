"""Folders of drawn videos, ``DOMAIN/CLASS/*.mp4``: a bright square that moves to the right or to the left."""

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

CLASSES = ("left", "right")
SIZE, FRAMES = (48, 64), 12
"""Height and width in pixels, and frames of a video."""
COLOURS = {"day": (230, 230, 90), "night": (90, 120, 230), "fog": (170, 170, 170), "rain": (90, 230, 160)}
"""Of the square, by domain."""


def draw_domain(folder: Path, domain: str, per_class: int) -> None:
    """Write ``per_class`` videos of each class, the names numbered from 0."""
    for class_name in CLASSES:
        (folder / domain / class_name).mkdir(parents=True)
        for number in range(per_class):
            draw_video(folder / domain / class_name / f"{class_name}{number:03d}.mp4", COLOURS[domain], seed=number)


def draw_video(path: Path, colour: tuple[int, int, int], seed: int = 0) -> None:
    """One H.264 video; its class is its folder's."""
    rng = np.random.default_rng(seed)
    height, width = SIZE
    y, places = int(rng.integers(6, height - 14)), np.linspace(2, width - 12, FRAMES).astype(int)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for x in places if path.parent.name == "right" else places[::-1]:
            noise = rng.integers(0, 40, (height, width, 3), dtype=np.uint8)
            frame = np.asarray(cv2.rectangle(noise, (int(x), y), (int(x) + 9, y + 9), colour, -1), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
