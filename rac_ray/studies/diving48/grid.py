"""Diving48's grids: which experiments, at which sizes, from how many seeds. Plain data; the defaults are the study's,
but for the seeds.

Experiments a to h compare the same models at several levels of validation accuracy. So one training per size and seed
keeps a checkpoint for each of its levels, and serves one trial per experiment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rac_ray.identity import Recipe
from rac_ray.studies.diving48.shape_texture import DOMAINS
from rac_ray.studies.diving48.sizes import EXPERIMENTS, SIZES, Experiment, Size

RECIPE = Recipe(learning_rate=0.001, momentum=0.9, weight_decay=1e-5, batch_size=64, max_epochs=500, patience=30)
"""The study's: eight clips on each of eight GPUs (facts.md 3.2)."""
SEEDS = (42, 61, 47)
"""The first three of the study's other half; as few as verdicts need."""


@dataclass(frozen=True)
class Drawn:
    """Clips that are drawn where there are none of Diving48's."""

    train: int
    test: int


@dataclass(frozen=True)
class DivingGrid:
    """What is asked for of Diving48."""

    experiments: Mapping[str, Experiment] = field(default_factory=lambda: EXPERIMENTS)
    only: tuple[str, ...] = ()
    """Experiments that are asked for; none: all."""
    sizes: Mapping[str, Size] = field(default_factory=lambda: SIZES)
    seeds: tuple[int, ...] = SEEDS
    """The study itself had one, 42, from which nothing can be told of another: ``--seeds 42`` is that part."""
    recipe: Recipe = RECIPE
    domains: tuple[str, ...] = tuple(DOMAINS)
    validation: str = "authors"
    """How validation clips are cut from the official train list: ``authors`` or ``grouped``."""
    flip_validation: bool = True
    """Whether validation clips are mirrored at random, too, while it trains, as the authors' were (facts.md 3.1)."""
    codecs: tuple[bool, ...] = (True,)
    """Whether edited domains, and the control, go through an MPEG-4 encoder, as the authors' files did: once, twice."""
    masks: str | None = None
    """Masks of the test clips: path or URI of a Parquet file or of a folder of them."""
    published: str | None = None
    """Folder of the authors' modified videos, which then count instead of masks."""
    drawn: Drawn | None = None
    workers: int = 8

    @property
    def asked(self) -> tuple[str, ...]:
        """Letters of the experiments that are asked for."""
        return self.only or tuple(self.experiments)


SMALL = {
    "convlstm-small": Size("convlstm", 4, {"kernels": (5, 3, 3), "stride": 2, "steps": "all"}),
    "cnn3d-small": Size("cnn3d", 4, {"kernels": (3, 3, 3, 3)}),
    "timesformer-small": Size("timesformer8", 4, {"depth": 1}),
}
CONVOLVED = {"convlstm": "convlstm-small", "cnn3d": "cnn3d-small"}

DEMO = DivingGrid(
    # Of the four motions a TimeSformer learns none in so few steps: guessing is what all three have in common.
    experiments={
        "a": Experiment(0.25, {**CONVOLVED, "timesformer": "timesformer-small"}),
        "b": Experiment(0.95, CONVOLVED),
    },
    sizes=SMALL,
    seeds=(42,),
    recipe=Recipe(learning_rate=0.0005, batch_size=8, max_epochs=3, patience=3),
    validation="grouped",
    drawn=Drawn(train=176, test=48),
    workers=1,
)

PRESETS = {"demo": DEMO, "paper": DivingGrid()}
