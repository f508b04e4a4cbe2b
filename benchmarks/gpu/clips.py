"""Real clips for the sections, drawn once each."""

import numpy as np

from rac_ray.data.shards import Clips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip

DRAWN = 320
"""Distinct clips at most; more are these again."""


def clips(domain: str, split: str, count: int) -> Clips:
    """``count`` clips of a domain's split, the same ones again after ``DRAWN``."""
    distinct = min(count, DRAWN)
    drawn = [make_clip(TemporalShapeSpec(), domain, split, index) for index in range(distinct)]
    places = np.arange(count) % distinct
    frames, labels = np.stack([clip.frames for clip in drawn]), np.array([clip.label for clip in drawn])
    return Clips(frames[places], labels[places], [f"{split}/{index:06d}" for index in range(count)])
