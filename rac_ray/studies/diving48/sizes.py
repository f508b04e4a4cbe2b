"""Diving48's models at their published sizes, and the experiments that compare them (facts.md 3.4, 3.5): data only.

A new size is one entry of SIZES. Clips are (B, 32, 3, 224, 224), normalised.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NUM_FRAMES, FRAME_SIZE, CHANNELS, NUM_CLASSES = 32, 224, 3, 48
VGG = (32, 64, 128, 128, 128, 256, 256, 256, 512, 512, 512)
"""Hidden units of the eleven layers of the best 3D CNN."""
VGG_OPTIONS = {"widths": VGG, "kernels": (5, *[3] * 10), "pooled": (2, 4, 6, 9), "pool_padding": 1}


@dataclass(frozen=True)
class Size:
    """A model at one of its published sizes."""

    architecture: str
    """Of ``models.MODELS``."""
    hidden_units: int
    options: Mapping[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    """Trainable, as published; None: nothing is."""


SIZES: Mapping[str, Size] = {
    "convlstm-4x128": Size("convlstm", 128, {"kernels": (7, 7, 5, 3), "stride": 2, "steps": "all"}, 14_367_280),
    "cnn3d-4x128": Size("cnn3d", 128, {"kernels": (7, 7, 5, 3)}, 10_651_824),
    "cnn3d-6x128": Size("cnn3d", 128, {"kernels": (7, 7, 7, 5, 3, 3), "pool_padding": 1}, 14_613_424),
    "cnn3d-11": Size("cnn3d", 512, {**VGG_OPTIONS, "head": "mean"}, 23_324_592),
    "cnn3d-11-flatten": Size("cnn3d", 512, VGG_OPTIONS, 39_888_816),
    "timesformer-85m": Size("timesformer8", 128, {"depth": 4}, 84_795_440),
    "timesformer-15m": Size("timesformer8", 32, {"depth": 11}, 14_675_760),
}
"""The printed 23.3 million of the eleven layers fit the head on the mean, as a total; ``cnn3d-11-flatten`` has the head
that was committed (facts.md 3.4)."""


@dataclass(frozen=True)
class Experiment:
    """One of the experiments a to h."""

    top1: float
    """Source-validation top-1 at which its models are compared."""
    sizes: Mapping[str, str]
    """By model, as the claims name it."""


EQUAL_LAYERS = {"convlstm": "convlstm-4x128", "cnn3d": "cnn3d-4x128", "timesformer": "timesformer-85m"}
BEST = {"convlstm": "convlstm-4x128", "cnn3d": "cnn3d-11"}
EQUAL_PARAMETERS = {"convlstm": "convlstm-4x128", "cnn3d": "cnn3d-6x128", "timesformer": "timesformer-15m"}

EXPERIMENTS: Mapping[str, Experiment] = {
    "a": Experiment(0.30, EQUAL_LAYERS),
    "b": Experiment(0.35, EQUAL_LAYERS),
    "c": Experiment(0.383, EQUAL_LAYERS),
    "d": Experiment(0.5007, BEST),
    "e": Experiment(0.30, EQUAL_PARAMETERS),
    "f": Experiment(0.35, EQUAL_PARAMETERS),
    "g": Experiment(0.40, EQUAL_PARAMETERS),
    "h": Experiment(0.45, EQUAL_PARAMETERS),
}
"""The paper states the levels of a to d, g and h; those of e and f are inferred. TimeSf never passed 39.7 %, so that it
cannot be in g and h unless it does here."""
