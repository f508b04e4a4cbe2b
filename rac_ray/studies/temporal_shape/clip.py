"""One clip of Temporal Shape with its latents."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rac_ray.studies.temporal_shape.drawing import Frames
from rac_ray.studies.temporal_shape.trajectories import Trajectory


@dataclass(frozen=True)
class Clip:
    """One rendered clip with all that was drawn for it."""

    frames: Frames
    label: int
    trajectory: Trajectory
    """In the split ``paired`` the very same one in each domain: a dot's, too, is that of a digit's corner."""
    visible_frames: int
    """Frames in which the object was drawn; fewer than T only for dots at a border or behind a bar."""
    digit: int
    """Index into its digit pool, -1 for dots."""
    octaves: int
    """Lattice cells of the background, 0 without one."""
    noise_seeds: tuple[int, ...]
    """Perlin seed per frame; empty without a background."""
    drift: tuple[float, float]
    """Pixels per frame that the background moves to the right and down, as it was drawn."""

    def shown_in(self, order: NDArray[np.int64]) -> "Clip":
        """The clip with its frames, and what goes with each, in another order (T,)."""
        path = replace(self.trajectory, positions=self.trajectory.positions[order])
        seeds = tuple(self.noise_seeds[time] for time in order) if self.noise_seeds else ()
        return replace(self, frames=self.frames[order], trajectory=path, noise_seeds=seeds)
