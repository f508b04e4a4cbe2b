"""A stand-in for Diving48 where it cannot be had: small figures whose class is their motion, before random backgrounds.

Written as a download in the official layout, real H.264 files included, with the masks of the figures; so that the
whole chain runs on it. Motions are told by time alone, and are the same when mirrored. Nothing is learned about diving.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rac_ray.data.masks import HEIGHT, WIDTH, rows_of, write_masks
from rac_ray.errors import needs_extra
from rac_ray.identity import seed_for
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.lists import FILES, VIDEOS, VOCABULARY, VOCABULARY_FILE
from rac_ray.studies.diving48.sizes import NUM_FRAMES

VIDEO_SIZE = (120, 160)
"""Height and width of the videos, in pixels."""
IN_VIDEO = 40
"""Frames of a video."""
DRAWN_CLASSES = (4, 16, 25, 34)
"""Labels, one per motion: down, up, to and fro, down and up again."""
FIGURE = (10, 16)
"""Half axes of the figure, across and along, in pixels."""
MASKS = "masks.parquet"


@dataclass(frozen=True)
class Dive:
    """One clip, as it is drawn."""

    clip_id: str
    label: int
    seed: int

    def path(self) -> NDArray[np.float64]:
        """Centres of the figure (IN_VIDEO, 2), x and y in pixels."""
        rng = np.random.default_rng(self.seed)
        time = np.linspace(0, 1, IN_VIDEO)
        height, width = VIDEO_SIZE
        along = {
            DRAWN_CLASSES[0]: (0 * time, time),
            DRAWN_CLASSES[1]: (0 * time, 1 - time),
            DRAWN_CLASSES[2]: (np.sin(4 * np.pi * time), 0 * time + 0.5),
            DRAWN_CLASSES[3]: (0 * time, 1 - np.abs(1 - 2 * time)),
        }
        across, down = along[self.label]
        middle = rng.uniform(0.35, 0.65) * width
        top, bottom = FIGURE[1] + rng.uniform(0, 8), height - FIGURE[1] - rng.uniform(0, 8)
        return np.stack([middle + 0.25 * width * across, top + (bottom - top) * down], axis=1)

    def frames(self) -> NDArray[np.uint8]:
        """(IN_VIDEO, H, W, 3), RGB: the figure before a background of its own colours, which says nothing."""
        rng = np.random.default_rng(self.seed + 1)
        coarse = rng.integers(30, 140, (4, 5, 3)).astype(np.float32)
        background = cv2.resize(coarse, VIDEO_SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        colour = tuple(int(value) for value in rng.integers(190, 256, 3))
        drawn = []
        for x, y in self.path():
            noisy = np.clip(background + rng.normal(0, 6, background.shape), 0, 255).astype(np.uint8)
            drawn.append(cv2.ellipse(noisy, (round(x), round(y)), FIGURE, 0, 0, 360, colour, -1))
        return np.asarray(np.stack(drawn), np.uint8)

    def mask_rows(self) -> list[dict[str, Any]]:
        """Masks of the figure in the frames that are kept of the clip: the figure, and around it its box."""
        kept = np.linspace(0, IN_VIDEO - 1, NUM_FRAMES).round().astype(int)
        scale = np.array([WIDTH / VIDEO_SIZE[1], HEIGHT / VIDEO_SIZE[0]])
        rows = []
        for frame, centre in enumerate(self.path()[kept]):
            middle, half = centre * scale, np.array(FIGURE) * scale
            box = np.concatenate([middle - half, middle + half])
            (x0, y0), (x1, y1) = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
            soft = np.zeros((HEIGHT, WIDTH), np.float32)
            soft[max(y0, 0) : y1, max(x0, 0) : x1] = 0.1
            axes = tuple(int(value) for value in half.round())
            cv2.ellipse(soft, (round(middle[0]), round(middle[1])), axes, 0, 0, 360, 0.9, -1)
            rows += rows_of(self.clip_id, frame, soft[None], [0.95], box[None].astype(np.float32))
        return rows


def dives_of(split: str, count: int, seed: int) -> list[Dive]:
    """Clips of a split, classes in turn, eight to a source video; names as the official ones are."""
    return [
        Dive(
            f"{split}{number // 8:03d}_{number:05d}",
            DRAWN_CLASSES[number % len(DRAWN_CLASSES)],
            seed_for(split, seed, number),
        )
        for number in range(count)
    ]


def write_dives(folder: Path, masks: Storage, *, train: int, test: int, seed: int = 0) -> None:
    """Write lists, vocabulary and videos to ``folder``, and the test clips' masks to ``masks``; last of all the masks.

    What is there already is left alone.
    """
    if masks.exists(MASKS):
        return
    (folder / VIDEOS).mkdir(parents=True, exist_ok=True)
    (folder / VOCABULARY_FILE).write_text(json.dumps(VOCABULARY))
    clips = {"train": dives_of("train", train, seed), "test": dives_of("test", test, seed)}
    for split, dives in clips.items():
        entries = [
            {"vid_name": dive.clip_id, "label": dive.label, "start_frame": 0, "end_frame": IN_VIDEO} for dive in dives
        ]
        (folder / FILES[split]).write_text(json.dumps(entries))
        for dive in dives:
            _write_video(folder / VIDEOS / f"{dive.clip_id}.mp4", dive.frames())
    write_masks(masks, MASKS, [row for dive in clips["test"] for row in dive.mask_rows()])


def _write_video(path: Path, frames: NDArray[np.uint8]) -> None:
    with needs_extra("diving48"):
        import av
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
