"""What decides the pixels of Temporal Shape, with its variants: the released data, the paper's text, seven shapes."""

from dataclasses import asdict, dataclass
from typing import Literal

from rac_ray.errors import BadInput, one_of
from rac_ray.studies.temporal_shape.trajectories import ALL_LABEL_NAMES, FRAME_SIZE, LABEL_NAMES


@dataclass(frozen=True)
class TemporalShapeSpec:
    """Everything that decides pixels. Defaults are the released data; other values follow the paper's text."""

    seed: int = 0
    """Key of all streams; the released generator had none."""
    labels: Literal["uniform", "balanced"] = "uniform"
    """Drawn at random per clip, or as many consecutive clips as classes hold each once (paper: "class balance")."""
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
    shapes: int = len(LABEL_NAMES)
    """Classes: the study's five, or the first so many of all shapes."""

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
        ranges = {
            "noise_seeds": (1, 100_000),
            "max_octaves": (1, FRAME_SIZE),
            "jpeg_quality": (0, 100),
            "shapes": (len(LABEL_NAMES), len(ALL_LABEL_NAMES)),
        }
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

    @property
    def label_names(self) -> tuple[str, ...]:
        """Of its classes, by label."""
        return ALL_LABEL_NAMES[: self.shapes]

    def as_dict(self) -> dict[str, object]:
        """Without the number of shapes where it is the study's: identities are older than it."""
        values = asdict(self)
        return values if self.shapes != len(LABEL_NAMES) else {k: v for k, v in values.items() if k != "shapes"}


SPECS = {
    "released": TemporalShapeSpec(),
    "paper": TemporalShapeSpec.paper_text(),
    "seven": TemporalShapeSpec(shapes=len(ALL_LABEL_NAMES)),
}
