"""Temporal Shape clips: the DOMAINS table, the spec with its paper-text variants, and the renderer.

A clip is (T, H, W) = (20, 64, 64) uint8, axis order row (y), column (x). Clip i of (spec, domain, split) is a pure
function of that key: a counter-based generator is keyed by it, so neither order nor worker count nor dataset
size can move a pixel. Latents (the path) and appearance are drawn from separate streams.

The split ``paired`` holds counterfactual clips: clip i has one label, one path and one digit in all domains, and one
background in those that have any, because its streams' keys name no domain. Only the looks differ from ``2dot/paired``
to ``mnist/paired``, so that a model's answers can be compared clip by clip. Their paths are a digit's in dot domains
too, so that top-1 on ``2dot/paired`` is no substitute for that on ``2dot/test``.
"""

import hashlib
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from rac_ray.data.order import torch_permutation
from rac_ray.errors import BadInput, one_of
from rac_ray.studies.temporal_shape.digits import SYMBOL_SIZE, digits_of, shrunk
from rac_ray.studies.temporal_shape.drawing import Frames, draw_digit, draw_dots, jpeg_round_trip
from rac_ray.studies.temporal_shape.trajectories import (
    FRAME_SIZE,
    LABEL_NAMES,
    NUM_FRAMES,
    Stage,
    Trajectory,
    draw_trajectory,
)

GENERATOR_VERSION = 1
"""Raised whenever the same spec gives other pixels; a test with golden hashes fails when somebody forgets."""

PAIRED = "paired"
"""The split whose clips differ between domains in their looks only; also the role of such evaluations."""
STREAMS = {"train": "source", "val": "source", "test": "test", PAIRED: PAIRED}
"""Split -> its stream of clips."""
SPLITS = tuple(STREAMS)
POOL_TRAIN, POOL_VAL, POOL_SEED = 4000, 1000, 42


@dataclass(frozen=True)
class Domain:
    """How the moving object and what is behind it look."""

    stage: Stage
    """Size and spiral radius that bear on the path."""
    dot_width: int | None = None
    """Side of the white square in pixels; None for a symbol."""
    paper_dot_width: int | None = None
    """The side that the paper's text states."""
    intensity: float = 0.0
    """Factor of the Perlin background; 0 is black."""

    def width(self, dots: str) -> int | None:
        """Side of the square, ``released`` or as the ``paper`` states it; None for a symbol."""
        return self.paper_dot_width if dots == "paper" and self.paper_dot_width else self.dot_width


SYMBOLS = Domain(Stage(SYMBOL_SIZE, 8))
"""Digits, or other symbols of their size, on black."""

DOMAINS: dict[str, Domain] = {
    "2dot": Domain(Stage(2, 10), dot_width=3, paper_dot_width=2),
    "5dot": Domain(Stage(5, 10), dot_width=5, paper_dot_width=5),
    "mnist": SYMBOLS,
    "mnist_bg": replace(SYMBOLS, intensity=1.0),
    "mnist_bg_half": replace(SYMBOLS, intensity=0.5),
}
"""``mnist_bg`` at full intensity is what 2dot models were tested on; at half, what mnist_bg models were trained on
(facts.md 0.3)."""

PAIRED_STAGE = max((domain.stage for domain in DOMAINS.values()), key=lambda stage: stage.symbol_size)
"""Where the paths of paired clips are drawn: a digit's stage, the narrowest. It keeps the object's centre within
[7, 57] px, inside the walls of every domain (facts.md 1.4), and off the border at which dots vanish. The start is in
every domain's range too (facts.md 1.3), but for a spiral's of ``5dot``: up to 40 instead of 38, as the range was
narrowed for a dot's spiral and a paired one is a digit's, of radius 8 instead of 10."""
SYMBOL_CENTRE = SYMBOL_SIZE // 2
"""From a digit's top-left corner to its centre, in pixels, as a dot's centre counts."""


@dataclass(frozen=True)
class Direction:
    """One way of the study: what a source domain trains on and which domains it is tested on, nearest first."""

    trained_on: str
    targets: tuple[str, ...]
    paired: bool = False
    """Whether the best checkpoint is also evaluated on counterfactual clips, those of all its domains."""
    also: tuple[str, ...] = ()
    """Further target domains, of symbols that are none of the study's; they have test clips only."""

    @property
    def train(self) -> str:
        """The training part, ``domain/split``."""
        return f"{self.trained_on}/train"

    @property
    def val(self) -> str:
        """The part that is validated on."""
        return f"{self.trained_on}/val"

    @property
    def evaluations(self) -> dict[str, str]:
        """Parts that the best checkpoint is evaluated on, with their role."""
        source = {self.val: "source_val", f"{self.trained_on}/test": "source_test"}
        targets = {f"{domain}/test": "target" for domain in (*self.targets, *self.also)}
        counterfactual = (self.trained_on, *self.targets) if self.paired else ()
        return {**source, **targets, **{f"{domain}/{PAIRED}": PAIRED for domain in counterfactual}}

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts that a trial of this direction reads."""
        return (self.train, *self.evaluations)

    def within(self, parts: Collection[str]) -> "Direction":
        """This direction on a dataset of these parts: with counterfactual clips and further targets if it has them."""
        domains = dict.fromkeys(part.partition("/")[0] for part in parts)
        also = tuple(domain for domain in domains if domain not in DOMAINS)
        return replace(self, paired=f"{self.trained_on}/{PAIRED}" in parts, also=also)


DIRECTIONS: dict[str, Direction] = {
    "2dot": Direction("2dot", ("5dot", "mnist", "mnist_bg", "mnist_bg_half")),
    "mnist_bg": Direction("mnist_bg_half", ("mnist", "5dot", "2dot")),
}


@dataclass(frozen=True)
class TemporalShapeSpec:
    """Everything that decides pixels. Defaults are the released data; other values follow the paper's text."""

    seed: int = 0
    """Key of all streams; the released generator had none."""
    labels: Literal["uniform", "balanced"] = "uniform"
    """Drawn at random per clip, or every five consecutive clips hold each class once (paper: "class balance")."""
    dots: Literal["released", "paper"] = "released"
    """Squares of 3x3 and 5x5, or of exactly 2x2 and 5x5 pixels."""
    dot_at_border: Literal["vanish", "clip"] = "vanish"
    """A dot that reaches over the left or top border is not drawn in that frame, or drawn in part."""
    background: Literal["flicker", "static"] = "flicker"
    """A new background for every frame, or one for the whole clip."""
    noise_seeds: int = 15
    """Number of Perlin seeds; the later library's default draws from 100,000."""
    max_octaves: int = 9
    """Lattice cells per frame are 1..max_octaves; the paper writes 1..10."""
    jpeg_quality: int = 75
    """Quality of the JPEG round trip of each frame, 1..100; 0 leaves the frames as drawn."""

    def __post_init__(self) -> None:
        choices = {
            "labels": ("uniform", "balanced"),
            "dots": ("released", "paper"),
            "dot_at_border": ("vanish", "clip"),
            "background": ("flicker", "static"),
        }
        for name, valid in choices.items():
            if getattr(self, name) not in valid:
                raise one_of(name, getattr(self, name), valid)
        ranges = {"noise_seeds": (1, 100_000), "max_octaves": (1, FRAME_SIZE), "jpeg_quality": (0, 100)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise BadInput(f"{name} is {getattr(self, name)}; valid: {low} to {high}")

    @classmethod
    def paper_text(cls) -> "TemporalShapeSpec":
        """All variants as the paper's text reads."""
        return cls(
            labels="balanced",
            dots="paper",
            dot_at_border="clip",
            background="static",
            noise_seeds=100_000,
            max_octaves=10,
            jpeg_quality=0,
        )

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


SPECS = {"released": TemporalShapeSpec(), "paper": TemporalShapeSpec.paper_text()}


@dataclass(frozen=True)
class Clip:
    """One rendered clip with all that was drawn for it."""

    frames: Frames
    label: int
    trajectory: Trajectory
    """In the split ``paired`` the very same one in each domain: a dot's too is that of a digit's top-left corner."""
    visible_frames: int
    """Frames in which the object was drawn; fewer than T only for dots at a border."""
    digit: int
    """Index into its digit pool, -1 for dots."""
    octaves: int
    """Lattice cells of the background, 0 without one."""
    noise_seeds: tuple[int, ...]
    """Perlin seed per frame; empty without a background."""


@lru_cache(maxsize=1)
def _released_split() -> NDArray[np.int64]:
    """The order of the pool's 5000 clips whose first 4000 are the released training split (facts.md 1.7)."""
    return torch_permutation(POOL_TRAIN + POOL_VAL, POOL_SEED)


def pool_index(split: str, index: int) -> int:
    """Place of clip ``index`` of a split in its stream of clips.

    Train and val share one stream: the first 4000 and 1000 are the released split (facts.md 1.7); clips beyond
    them alternate, so that neither split runs into the other at any size. Test and paired have streams of their own.
    """
    if STREAMS[split] == split:
        return index
    if split == "train":
        order, beyond = _released_split()[:POOL_TRAIN], 0
    else:
        order, beyond = _released_split()[POOL_TRAIN:], 1
    return int(order[index]) if index < len(order) else POOL_TRAIN + POOL_VAL + 2 * (index - len(order)) + beyond


@lru_cache(maxsize=64)
def _stream_key(seed: int, domain: str, stream: str, purpose: str) -> int:
    text = f"temporal shape/{seed}/{domain}/{stream}/{purpose}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def _generator(spec: TemporalShapeSpec, domain: str, stream: str, place: int, purpose: str) -> Generator:
    return Generator(Philox(key=_stream_key(spec.seed, domain, stream, purpose), counter=place << 64))


def _draw_label(spec: TemporalShapeSpec, rng: Generator, place: int) -> int:
    if spec.labels == "uniform":
        return int(rng.integers(len(LABEL_NAMES)))
    turn = _generator(spec, "any", "source", place // len(LABEL_NAMES), "balance").permutation(len(LABEL_NAMES))
    return int(turn[place % len(LABEL_NAMES)])


def _drawn_for(domain_name: str, domain: Domain, split: str) -> tuple[str, Stage, int]:
    """The domain in the streams' keys, the stage of the path, and how far a dot's centre is from its position.

    Paired clips have all domains' in common.
    """
    return ("every", PAIRED_STAGE, SYMBOL_CENTRE) if split == PAIRED else (domain_name, domain.stage, 0)


def _background(spec: TemporalShapeSpec, domain: Domain, rng: Generator) -> tuple[int, tuple[int, ...]]:
    """Lattice cells, and the Perlin seed of each frame; 0 and none on black."""
    if not domain.intensity:
        return 0, ()
    octaves = int(rng.integers(1, spec.max_octaves + 1))
    drawn = rng.integers(1, spec.noise_seeds + 1, size=NUM_FRAMES)
    return octaves, tuple((drawn if spec.background == "flicker" else np.full(NUM_FRAMES, drawn[0])).tolist())


def make_clip(spec: TemporalShapeSpec, domain_name: str, split: str, index: int, symbols: Frames | None = None) -> Clip:
    """Clip ``index`` (0, 1, ..) of a domain's split; the same pixels from any process, order or dataset size.

    ``symbols`` are the images (N, 28, 28) of a domain beyond ``DOMAINS``; MNIST is loaded where a domain shows it.
    """
    return _clip_at(spec, domain_name, split, STREAMS[split], pool_index(split, index), symbols)


def endless_clip(spec: TemporalShapeSpec, domain_name: str, seed: int, epoch: int, index: int) -> Clip:
    """Clip ``index`` of an epoch of a training with this seed, which no other epoch and no split has."""
    return _clip_at(spec, domain_name, "train", f"endless/{seed}/{epoch}", index)


def _clip_at(
    spec: TemporalShapeSpec, domain_name: str, split: str, stream: str, place: int, symbols: Frames | None = None
) -> Clip:
    """The clip at a place of a stream; its symbols are those of the split."""
    domain = DOMAINS[domain_name] if symbols is None else SYMBOLS
    drawn_for, stage, centre = _drawn_for(domain_name, domain, split)
    path_rng = _generator(spec, drawn_for, stream, place, "path")
    label = _draw_label(spec, path_rng, place)
    trajectory = draw_trajectory(path_rng, label, stage)
    digit, octaves, noise_seeds, visible = -1, 0, (), NUM_FRAMES
    if width := domain.width(spec.dots):
        # A digit's corner is truncated before the dot's centre is found: a sum may round up to the next pixel.
        frames, visible = draw_dots(np.trunc(trajectory.positions) + centre, width, spec.dot_at_border)
    else:
        look_rng = _generator(spec, drawn_for, stream, place, "look")
        pool = digits_of(split) if symbols is None else symbols
        digit = int(look_rng.integers(len(pool)))
        octaves, noise_seeds = _background(spec, domain, look_rng)
        frames = draw_digit(trajectory.positions, shrunk(pool[digit]), octaves, noise_seeds, domain.intensity)
    if spec.jpeg_quality:
        frames = jpeg_round_trip(frames, spec.jpeg_quality)
    return Clip(frames, label, trajectory, visible, digit, octaves, noise_seeds)
