"""The five temporal shapes, and two further ones, as pure functions from a random generator to a path.

A path is what an object's position does over a clip; how the object looks is no concern of this file.
Shapes here: T = NUM_FRAMES frames, positions (T, 2) float64 in pixels, columns x (to the right) and y (down).
Constants and rules: facts.md 1.2 (velocities), 1.3 (start positions), 1.4 (walls).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

NUM_FRAMES = 20
FRAME_SIZE = 64

CIRCLE_SPEED = 2.0
FRAMES_PER_SIDE = 5


@dataclass(frozen=True)
class Stage:
    """What of an object's appearance bears on its path."""

    symbol_size: int
    """Nominal size in pixels: 2 and 5 for the dots, 14 for a digit."""
    spiral_radius: int
    """End of the spiral's parameter range, and its margin at the start: 10 for dots, 8 for digits."""

    @property
    def limit(self) -> int:
        """Largest allowed coordinate; 0 is the smallest."""
        return FRAME_SIZE - self.symbol_size


@dataclass(frozen=True)
class Trajectory:
    """One drawn path with the latents that made it."""

    positions: NDArray[np.float64]
    """(T, 2) pixels; the centre of a dot, the top-left corner of a digit, and of the digit's box in paired clips."""
    speed: float
    """Pixels per frame; NaN for the spiral, whose speed grows along it."""
    radius: float
    """Path radius in pixels: circle, arc and S by speed and arc length, rectangle half a side, zigzag half a leg,
    spiral k * R, line 0."""
    reflections: int
    """How many times a wall turned a velocity component round."""

    def in_frames(self, count: int) -> "Trajectory":
        """The same path from end to end in ``count`` frames, between those that it has along straight lines."""
        old = len(self.positions) - 1
        times = np.linspace(0, old, count)
        positions = np.stack([np.interp(times, np.arange(old + 1), axis) for axis in self.positions.T], axis=1)
        return replace(self, positions=positions, speed=self.speed * old / (count - 1))


def _maybe_reversed(rng: Generator, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[::-1] if rng.random() < 0.5 else values


def _heading(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@dataclass(frozen=True)
class Motion:
    """Velocities of a clip before any wall is met."""

    velocities: NDArray[np.float64]
    """(T, 2) pixels per frame; the last one is never used."""
    margin: int
    """The largest radius the start position must leave room for (half of it on paper, facts.md 1.3)."""
    speed: float
    radius: float


def circle(rng: Generator, _stage: Stage) -> Motion:
    """A full turn at 2 px a frame; start angle and direction vary, the size does not."""
    angles = _maybe_reversed(rng, np.linspace(0, 2 * pi, NUM_FRAMES))
    angles = np.roll(angles, rng.integers(NUM_FRAMES))
    return Motion(CIRCLE_SPEED * _heading(angles), 8, CIRCLE_SPEED, CIRCLE_SPEED * (NUM_FRAMES - 1) / (2 * pi))


def arc(rng: Generator, _stage: Stage) -> Motion:
    """Half a turn at 2 px a frame, hence twice the circle's radius, from any start angle."""
    angles = rng.uniform(0, 2 * pi) + np.linspace(0, pi, NUM_FRAMES)
    velocities = CIRCLE_SPEED * _heading(_maybe_reversed(rng, angles))
    return Motion(velocities, 8, CIRCLE_SPEED, CIRCLE_SPEED * (NUM_FRAMES - 1) / pi)


def spiral(rng: Generator, stage: Stage) -> Motion:
    """Velocity k t (cos t, sin t), t from 0 to R or back; k in 0.2, 0.3 .. 1.0; no other rotation."""
    t = _maybe_reversed(rng, np.linspace(0, stage.spiral_radius, NUM_FRAMES))
    k = rng.integers(2, 11) * 0.1
    return Motion((k * t)[:, None] * _heading(t), stage.spiral_radius, float("nan"), k * stage.spiral_radius)


def line(rng: Generator, _stage: Stage) -> Motion:
    """A constant velocity of 1, 2 or 3 px a frame in any direction."""
    speed = int(rng.integers(1, 4))
    direction = pi * (2 * rng.random() - 1)
    return Motion(np.tile(speed * _heading(np.array([direction])), (NUM_FRAMES, 1)), 2 * speed, speed, 0.0)


def rectangle(rng: Generator, _stage: Stage) -> Motion:
    """An axis-aligned square, five frames a side at 1, 2 or 3 px a frame, from any corner, either way round."""
    speed = int(rng.integers(1, 4))
    headings = _maybe_reversed(rng, np.array([pi / 2, pi, -pi / 2, 0.0]))
    headings = np.roll(headings, rng.integers(NUM_FRAMES))
    velocities = speed * _heading(np.repeat(headings, FRAMES_PER_SIDE))
    return Motion(velocities, 2 * speed, speed, speed * FRAMES_PER_SIDE / 2)


def zigzag(rng: Generator, _stage: Stage) -> Motion:
    """Four legs of five frames at 1, 2 or 3 px a frame, in turn to the left and the right of any direction by 45°."""
    speed = int(rng.integers(1, 4))
    legs = _maybe_reversed(rng, np.array([pi / 4, -pi / 4, pi / 4, -pi / 4]))
    angles = rng.uniform(0, 2 * pi) + np.repeat(legs, FRAMES_PER_SIDE)
    return Motion(speed * _heading(angles), 2 * speed, speed, speed * FRAMES_PER_SIDE / 2)


def s_curve(rng: Generator, _stage: Stage) -> Motion:
    """Half a turn one way and half a turn the other at 2 px a frame, from any start angle, either way first."""
    half = np.linspace(0, pi, NUM_FRAMES // 2)
    turns = np.concatenate([half, half[::-1]])
    angles = rng.uniform(0, 2 * pi) + (turns if rng.random() < 0.5 else -turns)
    radius = CIRCLE_SPEED * (len(half) - 1) / pi
    return Motion(CIRCLE_SPEED * _heading(angles), 8, CIRCLE_SPEED, radius)


Shape = Callable[[Generator, Stage], Motion]
SHAPES: dict[str, Shape] = {
    "circle": circle,
    "spiral": spiral,
    "line": line,
    "rectangle": rectangle,
    "arc": arc,
}
"""Class name -> motion; the order is the label id (facts.md 1.1)."""
FURTHER_SHAPES: dict[str, Shape] = {"zigzag": zigzag, "s": s_curve}
"""Those that the study has not; their label ids follow. Backwards each is one of its class, too."""
ALL_SHAPES = {**SHAPES, **FURTHER_SHAPES}

LABEL_NAMES = tuple(SHAPES)
"""Of the study's classes."""
ALL_LABEL_NAMES = tuple(ALL_SHAPES)


def start_range(margin: int, stage: Stage) -> tuple[int, int]:
    """Lowest and highest start coordinate, both inclusive (facts.md 1.3)."""
    low = 2 * margin + stage.symbol_size
    return low, FRAME_SIZE - low - 1


def mirrored_path(
    start: tuple[float, float], velocities: NDArray[np.float64], limit: int
) -> tuple[NDArray[np.float64], int]:
    """Walk ``velocities`` from ``start`` inside [0, limit], turning a component round for good at each wall.

    Returns positions (T, 2) and the number of turns. The last velocity is not used (facts.md 1.2, 1.4).
    """
    axes, turns = [], 0
    for coordinate, steps in zip(start, velocities.T.tolist(), strict=True):
        sign, path = 1.0, [float(coordinate)]
        for step in steps[:-1]:
            if not 0 <= path[-1] + sign * step <= limit:
                sign, turns = -sign, turns + 1
            path.append(path[-1] + sign * step)
        axes.append(path)
    return np.array(axes).T, turns


def draw_trajectory(rng: Generator, label: int, stage: Stage, pace: float = 1.0) -> Trajectory:
    """Draw one path of class ``label`` (an index into ALL_LABEL_NAMES) for an object of ``stage``.

    At another ``pace`` the same draws give the same shape from the same start, that many times as large.
    """
    motion = ALL_SHAPES[ALL_LABEL_NAMES[label]](rng, stage)
    low, high = start_range(motion.margin, stage)
    x, y = rng.integers(low, high + 1, size=2).tolist()
    positions, reflections = mirrored_path((x, y), pace * motion.velocities, stage.limit)
    return Trajectory(positions, float(pace * motion.speed), float(pace * motion.radius), reflections)
