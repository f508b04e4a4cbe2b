"""Pictures of a path: dots, and symbols on black or on Perlin noise, as the released renderer drew them."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from rac_ray.studies.temporal_shape.digits import SYMBOL_SIZE
from rac_ray.studies.temporal_shape.perlin import perlin_image
from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE

Frames = NDArray[np.uint8]


@lru_cache(maxsize=512)
def _scaled_noise(octaves: int, seed: int, intensity: float) -> NDArray[np.float64]:
    """Background in grey levels, signed, (H, W): the noise's first axis is x, a frame's is y."""
    return np.ascontiguousarray(255 * intensity * perlin_image(octaves, seed, FRAME_SIZE).T)


@lru_cache(maxsize=512)
def _drawn_noise(octaves: int, seed: int, intensity: float) -> Frames:
    return np.clip(_scaled_noise(octaves, seed, intensity), 0, 255).astype(np.uint8)


def draw_dots(positions: NDArray[np.float64], width: int, at_border: str) -> tuple[Frames, int]:
    """White squares on black, (T, H, W) uint8, and in how many frames one is seen.

    Coordinates are truncated. A square that would start left of or above the frame is skipped ("vanish": the
    released renderer's negative slice start is empty, facts.md 1.4) or cut ("clip").
    """
    frames = np.zeros((len(positions), FRAME_SIZE, FRAME_SIZE), np.uint8)
    visible = 0
    for frame, (x, y) in zip(frames, positions.astype(int).tolist(), strict=True):
        left, top = x - width // 2, y - width // 2
        if min(left, top) < 0 and at_border == "vanish":
            continue
        frame[max(top, 0) : top + width, max(left, 0) : left + width] = 255
        visible += 1
    return frames, visible


def draw_digit(
    positions: NDArray[np.float64], symbol: Frames, octaves: int, noise_seeds: tuple[int, ...], intensity: float
) -> Frames:
    """A digit (14, 14) uint8 added to its background at each position: (T, H, W) uint8 (facts.md 1.5).

    Grey level = truncate(clip(digit + 255 * intensity * noise, 0, 255)); the noise is signed.
    """
    left, top = positions.astype(int).T
    columns = (left[:, None] + np.arange(SYMBOL_SIZE))[:, None, :]
    rows = (top[:, None] + np.arange(SYMBOL_SIZE))[:, :, None]
    time = np.arange(len(positions))[:, None, None]
    if not intensity:
        frames = np.zeros((len(positions), FRAME_SIZE, FRAME_SIZE), np.uint8)
        frames[time, rows, columns] = symbol
        return frames
    frames = np.stack([_drawn_noise(octaves, seed, intensity) for seed in noise_seeds])
    behind = np.stack(
        [
            _scaled_noise(octaves, seed, intensity)[y : y + SYMBOL_SIZE, x : x + SYMBOL_SIZE]
            for seed, x, y in zip(noise_seeds, left.tolist(), top.tolist(), strict=True)
        ]
    )
    frames[time, rows, columns] = np.clip(behind + symbol, 0, 255).astype(np.uint8)
    return frames


def jpeg_round_trip(frames: Frames, quality: int) -> Frames:
    """Frames (T, H, W) as they come back from one JPEG file each.

    Encoded as one tall image: frame borders fall on JPEG's 8x8 blocks, so the result is the same, only faster.
    """
    tall = frames.reshape(-1, frames.shape[-1])
    encoded = cv2.imencode(".jpg", tall, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8).reshape(frames.shape)
