"""Temporal Shape clips: the DOMAINS table, what trains and is tested on them, and the renderer.

A clip is (T, H, W) = (20, 64, 64) uint8, axis order row (y), column (x). Clip i of (spec, domain, split) is a pure
function of that key: a counter-based generator is keyed by it, so neither order nor worker count nor dataset
size can move a pixel. Latents (the path) and appearance are drawn from separate streams.

The split ``paired`` holds counterfactual clips: clip i has one label, one path and one digit in all domains, and one
background in those that have any, because its streams' keys name no domain. Only the looks differ from ``2dot/paired``
to ``mnist/paired``, so that a model's answers can be compared clip by clip. Their paths are a digit's in dot domains
too, so that top-1 on ``2dot/paired`` is no substitute for that on ``2dot/test``. Further domains (``factors``) have
clips of the same draws as their base's, in every split, and differ from them by one factor.
"""

from collections import ChainMap
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from math import cos, pi, sin

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rac_ray.studies.temporal_shape.clip import Clip
from rac_ray.studies.temporal_shape.digits import SYMBOL_SIZE, digits_of, shrunk
from rac_ray.studies.temporal_shape.drawing import (
    STILL,
    WHITE,
    Frames,
    Noise,
    draw,
    hide_halfway,
    jpeg_round_trip,
    not_vanished,
)
from rac_ray.studies.temporal_shape.factors import DRIFT, FACTORS, Domain
from rac_ray.studies.temporal_shape.spec import TemporalShapeSpec
from rac_ray.studies.temporal_shape.streams import PAIRED, STREAMS, generator_at, pool_index
from rac_ray.studies.temporal_shape.trajectories import (
    NUM_FRAMES,
    Stage,
    draw_trajectory,
)

GENERATOR_VERSION = 1
"""Raised whenever the same spec gives other pixels; a test with golden hashes fails when somebody forgets."""

SPLITS = tuple(STREAMS)

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
    further: tuple[str, ...] = ()
    """Target domains of FURTHER, each the one that is trained on with one factor changed."""
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
        targets = {f"{domain}/test": "target" for domain in (*self.targets, *self.further, *self.also)}
        counterfactual = (self.trained_on, *self.targets, *self.further) if self.paired else ()
        return {**source, **targets, **{f"{domain}/{PAIRED}": PAIRED for domain in counterfactual}}

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts that a trial of this direction reads."""
        return (self.train, *self.evaluations)

    def within(self, parts: Collection[str]) -> "Direction":
        """This direction on a dataset of these parts: with counterfactual clips and further targets if it has them."""
        domains = dict.fromkeys(part.partition("/")[0] for part in parts)
        further = tuple(domain for domain in domains if domain in FURTHER)
        also = tuple(domain for domain in domains if domain not in KNOWN)
        return replace(self, paired=f"{self.trained_on}/{PAIRED}" in parts, further=further, also=also)

    def with_factors(self, factors: Collection[str], spec: TemporalShapeSpec | None = None) -> "Direction":
        """This direction with those of these factors that change what it trains on, by one spec or by any."""
        names = [further_name(self.trained_on, factor) for factor in factors]
        return replace(self, further=tuple(each for each in names if each in FURTHER and differs(FURTHER[each], spec)))


DIRECTIONS: dict[str, Direction] = {
    "2dot": Direction("2dot", ("5dot", "mnist", "mnist_bg", "mnist_bg_half")),
    "mnist_bg": Direction("mnist_bg_half", ("mnist", "5dot", "2dot")),
}


def further_name(base: str, factor: str) -> str:
    """What a domain is called with one factor changed."""
    return f"{base}_{factor}"


FURTHER: dict[str, Domain] = {
    further_name(base, name): replace(factor.changed(DOMAINS[base]), base=base, factor=name)
    for base in (direction.trained_on for direction in DIRECTIONS.values())
    for name, factor in FACTORS.items()
    if factor.changed(DOMAINS[base]) != DOMAINS[base]
}
"""No preset has them: ``--factors`` asks for some, and finished trainings are only evaluated on them."""
KNOWN = ChainMap(FURTHER, DOMAINS)
"""All domains whose symbols are the study's own."""
LONG = frozenset(domain.factor for domain in FURTHER.values() if domain.frames != NUM_FRAMES)
"""Factors by which clips have another length."""


def frames_of(part: str) -> int:
    """Frames of a clip of a ``domain/split``, of further symbols, too."""
    domain = part.partition("/")[0]
    return KNOWN[domain].frames if domain in KNOWN else NUM_FRAMES


def differs(further: Domain, spec: TemporalShapeSpec | None) -> bool:
    """Whether a domain of FURTHER is another than its base: noise that flickers by the spec may be asked to flicker."""
    background = None if spec and further.background == spec.background else further.background
    return replace(further, base="", factor="", background=background) != DOMAINS[further.base]


def _draw_label(spec: TemporalShapeSpec, rng: Generator, place: int) -> int:
    if spec.labels == "uniform":
        return int(rng.integers(spec.shapes))
    turn = generator_at(spec.seed, "any", "source", place // spec.shapes, "balance").permutation(spec.shapes)
    return int(turn[place % spec.shapes])


def _drawn_for(domain_name: str, domain: Domain, split: str) -> tuple[str, Stage, int]:
    """The domain in the streams' keys, the stage of the path, and how far a dot's centre is from its position.

    Paired clips have all domains' in common.
    """
    return ("every", PAIRED_STAGE, SYMBOL_CENTRE) if split == PAIRED else (domain_name, domain.stage, 0)


def _noise(spec: TemporalShapeSpec, domain: Domain, look: Generator, drift: Generator) -> Noise:
    """The background of a clip: its lattice cells, the seed of each frame, and where it drifts."""
    octaves = int(look.integers(1, spec.max_octaves + 1))
    drawn = look.integers(1, spec.noise_seeds + 1, size=domain.frames)
    background = domain.background or spec.background
    seeds = tuple((drawn if background == "flicker" else np.full(domain.frames, drawn[0])).tolist())
    if background != "drift":
        return Noise(octaves, seeds, domain.intensity)
    angle = 2 * pi * drift.random()
    return Noise(octaves, seeds, domain.intensity, (DRIFT * cos(angle), DRIFT * sin(angle)))


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
    domain = KNOWN[domain_name] if symbols is None else SYMBOLS
    drawn_for, stage, centre = _drawn_for(domain.base or domain_name, domain, split)
    generator = partial(generator_at, spec.seed, drawn_for, stream, place)
    path_rng = generator("path")
    label = _draw_label(spec, path_rng, place)
    path = draw_trajectory(path_rng, label, stage, domain.pace)
    path = path if domain.frames == NUM_FRAMES else path.in_frames(domain.frames)
    width, digit, noise = domain.width(spec.dots), -1, None
    symbol = np.full((domain.drawn_width or width or 0,) * 2, WHITE, np.uint8)
    if domain.intensity or not width:
        look_rng, pool = generator("look"), digits_of(split) if symbols is None else symbols
        drawn = int(look_rng.integers(len(pool)))
        noise = _noise(spec, domain, look_rng, generator("drift")) if domain.intensity else None
        digit, symbol = (-1, symbol) if width else (drawn, shrunk(pool[drawn]))
    # A digit's corner is truncated before the dot's centre is found: a sum may round up to the next pixel.
    corners: NDArray[np.int64] = np.trunc(path.positions).astype(int)
    shown: NDArray[np.bool_] = np.ones(domain.frames, bool)
    if width:
        corners += centre
        if spec.dot_at_border == "vanish":
            shown = not_vanished(corners, width)
        corners -= len(symbol) // 2
    frames = draw(corners, (symbol * domain.contrast).astype(np.uint8), shown, noise)
    if domain.occluded:
        shown = hide_halfway(frames, corners, len(symbol), shown)
    if spec.jpeg_quality:
        frames = jpeg_round_trip(frames, spec.jpeg_quality)
    octaves, seeds, drift = (noise.octaves, noise.seeds, noise.drift) if noise else (0, (), STILL)
    clip = Clip(frames, label, path, int(shown.sum()), digit, octaves, seeds, drift)
    return clip if domain.order is None else clip.shown_in(domain.order(generator("order"), domain.frames))
