"""What the clips of a domain are like, and the further factors: each changes one thing of a domain and nothing else.

A factor makes a further domain of one that models train on: ``2dot_drift`` is ``2dot`` on noise that drifts. Its clips
are drawn from the streams of the domain that it is made of. So clip i of both has one label and one draw of the path,
in every split: what a model says of the two differs by the factor alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rac_ray.studies.temporal_shape.trajectories import NUM_FRAMES, Stage

Background = Literal["flicker", "static", "drift"]
BEHIND_DOTS = 0.5
"""Intensity of the noise that a factor puts behind what stood on black: that of ``mnist_bg_half``."""
DRIFT = 2.0
"""Pixels per frame that a drifting background moves: the speed of a circle."""


Order = Callable[[Generator, int], NDArray[np.int64]]
"""Which of T frames (T,) are shown one after the other."""


@dataclass(frozen=True)
class Domain:
    """What moves, how, and what is behind it."""

    stage: Stage
    """Size and spiral radius that bear on the path."""
    dot_width: int | None = None
    """Side of the white square in pixels; None for a symbol."""
    paper_dot_width: int | None = None
    """The side that the paper's text states."""
    intensity: float = 0.0
    """Factor of the Perlin background; 0 is black."""
    base: str = ""
    """The domain that a further one is made of, whose streams its clips are drawn from; empty for the study's own."""
    factor: str = ""
    """What a further one changes, one of FACTORS."""
    background: Background | None = None
    """A new background for every frame, one for the whole clip, or one that drifts; None: as the spec has it."""
    contrast: float = 1.0
    """Share of its grey levels that the object keeps."""
    drawn_width: int | None = None
    """Side of the square that is drawn in the place of the usual one; it vanishes at borders where that one does."""
    pace: float = 1.0
    """Factor of all velocities."""
    order: Order | None = None
    """In which frames are shown; None: as they are drawn."""
    frames: int = NUM_FRAMES
    """In which the whole path is shown."""
    occluded: bool = False
    """Whether a grey bar hides where the object is halfway."""

    def width(self, dots: str) -> int | None:
        """Side of the square, ``released`` or as the ``paper`` states it; None for a symbol."""
        return self.paper_dot_width if dots == "paper" and self.paper_dot_width else self.dot_width


def _backwards(_rng: Generator, frames: int) -> NDArray[np.int64]:
    return np.arange(frames)[::-1]


def _shuffled(rng: Generator, frames: int) -> NDArray[np.int64]:
    return rng.permutation(frames)


@dataclass(frozen=True)
class Factor:
    """One thing that a further domain changes."""

    looks: str
    """What its clips are like beside those of the domain that it is made of, in about six words."""
    changed: Callable[[Domain], Domain]
    """Gives a domain as it is with the factor; the same where there is nothing to change."""


def _noise(background: Background, domain: Domain) -> Domain:
    return replace(domain, background=background, intensity=domain.intensity or BEHIND_DOTS)


def _resized(width: int, domain: Domain) -> Domain:
    return replace(domain, drawn_width=width) if domain.dot_width else domain


def _square(width: int) -> Factor:
    return Factor(f"the square is {width} x {width} pixels", partial(_resized, width))


def _contrast(percent: int) -> Factor:
    return Factor(f"the object at {percent}% of its brightness", partial(replace, contrast=percent / 100))


FACTORS: dict[str, Factor] = {
    "static": Factor("on noise that stands still", partial(_noise, "static")),
    "flicker": Factor("on noise, new in every frame", partial(_noise, "flicker")),
    "drift": Factor("on noise that drifts behind it", partial(_noise, "drift")),
    "occluder": Factor("a grey bar hides it halfway", partial(replace, occluded=True)),
    "size1": _square(1),
    "size7": _square(7),
    "size11": _square(11),
    "contrast50": _contrast(50),
    "contrast25": _contrast(25),
    "contrast10": _contrast(10),
    "slow": Factor("at half the speed, half as large", partial(replace, pace=0.5)),
    "fast": Factor("at 1.5 times speed and size", partial(replace, pace=1.5)),
    "long30": Factor("the same path in 30 frames", partial(replace, frames=30)),
    "long40": Factor("the same path in 40 frames", partial(replace, frames=40)),
    "reversed": Factor("every clip is played backwards", partial(replace, order=_backwards)),
    "shuffled": Factor("its frames in a random order", partial(replace, order=_shuffled)),
}
"""A value of a factor is a row of its own: a name means the same pixels for ever.

Labels stay what they are. Each shape that is played backwards is one of its class, whose paths are drawn in both
directions; at another pace it has another size. Shuffled frames show the same places, but no motion: what a model still
gets right of them it knows without the order of frames.
"""
