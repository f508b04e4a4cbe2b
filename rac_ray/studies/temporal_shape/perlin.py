"""Single-frequency Perlin lattice noise, equal to the ``perlin-noise`` package with an explicit seed.

"octaves" is the number of lattice cells along a frame's side (not a sum of octaves). The released Temporal Shape
data drew seeds 1..15 and octaves 1..9, hence 135 distinct backgrounds (facts.md 0.1, 1.5).
"""

import random
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def _gradient(seed: int, corner: tuple[int, int]) -> tuple[float, float]:
    """The pseudo-random, non-unit gradient of a lattice corner: two draws of U(-1, 1) from Python's generator."""
    a, b = corner
    source = random.Random(seed * max(1, int(abs(a + 10 * b + 1))))
    return source.uniform(-1, 1), source.uniform(-1, 1)


def _fade(t: NDArray[np.float64]) -> NDArray[np.float64]:
    return 6 * t**5 - 15 * t**4 + 10 * t**3


@lru_cache(maxsize=256)
def perlin_image(octaves: int, seed: int, size: int = 64, beyond: int = 0) -> NDArray[np.float64]:
    """The noise at (i / size, j / size), float64, about -0.7..0.7, first axis x. Read-only, cached.

    i and j go to ``size``, and as much further as ``beyond`` says: (size + beyond, size + beyond).
    """
    coordinate = np.arange(size + beyond) / size * octaves
    cell = np.floor(coordinate).astype(int)
    corners = range(int(cell[-1]) + 2)
    gradients = np.array([[_gradient(seed, (a, b)) for b in corners] for a in corners])
    noise = np.zeros((size + beyond, size + beyond))
    for step_x in (0, 1):
        for step_y in (0, 1):
            corner_x, corner_y = cell + step_x, cell + step_y
            offset_x, offset_y = coordinate - corner_x, coordinate - corner_y
            corner_gradients = gradients[corner_x[:, None], corner_y[None, :]]
            weight = _fade(1 - np.abs(offset_x))[:, None] * _fade(1 - np.abs(offset_y))[None, :]
            slope = corner_gradients[..., 0] * offset_x[:, None] + corner_gradients[..., 1] * offset_y[None, :]
            noise += weight * slope
    noise.flags.writeable = False
    return noise
