"""Pictures of a path: squares and symbols on black or on Perlin noise, as the released renderer drew them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from rac_ray.studies.temporal_shape.perlin import perlin_image
from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE

Frames = NDArray[np.uint8]
WHITE, GREY = 255, 128
BAR_WIDTH = 8
"""Pixels across an occluder."""
STILL = (0.0, 0.0)
"""The drift of a background that stands."""


@lru_cache(maxsize=512)
def _scaled_noise(octaves: int, seed: int, intensity: float, beyond: int) -> NDArray[np.float64]:
    """Background in grey levels, signed, (H, W): the noise's first axis is x, a frame's is y."""
    return np.ascontiguousarray(255 * intensity * perlin_image(octaves, seed, FRAME_SIZE, beyond).T)


@lru_cache(maxsize=512)
def _drawn_noise(octaves: int, seed: int, intensity: float, beyond: int) -> Frames:
    return np.clip(_scaled_noise(octaves, seed, intensity, beyond), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Noise:
    """The background of a clip."""

    octaves: int
    """Lattice cells along a frame's side."""
    seeds: tuple[int, ...]
    """Perlin seed of each frame."""
    intensity: float
    drift: tuple[float, float] = STILL
    """Pixels per frame that it moves to the right and down."""

    @property
    def frames(self) -> Frames:
        """It alone, (T, H, W)."""
        return np.stack(self._views(_drawn_noise))

    @property
    def signed(self) -> list[NDArray[np.float64]]:
        """Its grey levels in each frame (H, W), below zero, too."""
        return self._views(_scaled_noise)

    def _views(self, image_of: Callable[[int, int, float, int], NDArray]) -> list[NDArray]:
        """Each frame's part of its image: a view moves against the drift, within the pixels beyond a frame's."""
        if self.drift == STILL:
            return [image_of(self.octaves, seed, self.intensity, 0) for seed in self.seeds]
        steps = len(self.seeds) - 1
        beyond = ceil(np.hypot(*self.drift) * steps)
        moved = -np.arange(steps + 1)[:, None] * np.array(self.drift)
        corners = np.trunc(moved - moved.min(axis=0)).astype(int).tolist()
        return [
            image_of(self.octaves, seed, self.intensity, beyond)[y : y + FRAME_SIZE, x : x + FRAME_SIZE]
            for seed, (x, y) in zip(self.seeds, corners, strict=True)
        ]


def not_vanished(places: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """In which frames (T,) the released renderer drew a square with its centre at ``places`` (T, 2).

    One that would start left of or above the frame is skipped: a negative slice start is empty (facts.md 1.4).
    """
    return np.all(places >= width // 2, axis=1)


def draw(corners: NDArray[np.int64], symbol: Frames, shown: NDArray[np.bool_], noise: Noise | None = None) -> Frames:
    """A square image (S, S) on its background, (T, H, W) uint8, with its left and top at ``corners`` (T, 2).

    On noise the two are added: grey level = truncate(clip(symbol + 255 * intensity * noise, 0, 255)); noise is signed
    (facts.md 1.5). What is beyond a border is cut, and a frame that is not ``shown`` (T,) has the background alone.
    """
    side = len(symbol)
    frames = noise.frames if noise else np.zeros((len(corners), FRAME_SIZE, FRAME_SIZE), np.uint8)
    signed = noise.signed if noise else None
    for time, (left, top) in enumerate(corners.tolist()):
        if not shown[time]:
            continue
        place = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
        seen = symbol[max(-top, 0) : FRAME_SIZE - top, max(-left, 0) : FRAME_SIZE - left]
        frames[time][place] = np.minimum(np.maximum(signed[time][place] + seen, 0), WHITE) if signed else seen
    return frames


def hide_halfway(frames: Frames, corners: NDArray[np.int64], width: int, shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Draw a grey bar over frames (T, H, W), through the whole frame where an object of ``width`` is halfway.

    It stands or lies, whichever is more across the motion there, so that no path runs along it for long. Returns in
    which frames (T,) some of what was ``shown`` can be seen.
    """
    half = len(corners) // 2
    axis = int(np.argmax(np.ptp(corners[half - 2 : half + 3], axis=0)))
    places = corners[:, axis]
    bar = int(np.clip(places[half] + width // 2 - BAR_WIDTH // 2, 0, FRAME_SIZE - BAR_WIDTH))
    frames.swapaxes(1, 2 - axis)[:, bar : bar + BAR_WIDTH] = GREY
    return shown & ~((places >= bar) & (places + width <= bar + BAR_WIDTH))


def jpeg_round_trip(frames: Frames, quality: int) -> Frames:
    """Frames (T, H, W) as they come back from one JPEG file each.

    Encoded as one tall image: frame borders fall on JPEG's 8x8 blocks, so the result is the same, only faster.
    """
    tall = frames.reshape(-1, frames.shape[-1])
    encoded = cv2.imencode(".jpg", tall, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8).reshape(frames.shape)
