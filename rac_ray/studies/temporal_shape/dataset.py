"""The clips of Temporal Shape as shards: what a data folder holds, and the rows of one shard."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from rac_ray.data.dataset import Dataset
from rac_ray.data.shards import Layout, Rows, Shard, shards_of
from rac_ray.errors import BadInput, one_of
from rac_ray.studies.temporal_shape.digits import Digits, same_digits
from rac_ray.studies.temporal_shape.domains import (
    DOMAINS,
    GENERATOR_VERSION,
    SPLITS,
    Clip,
    TemporalShapeSpec,
    make_clip,
)
from rac_ray.studies.temporal_shape.trajectories import FRAME_SIZE, LABEL_NAMES, NUM_FRAMES

CLIPS_PER_SHARD = 500
BYTES_PER_CLIP = 90_000
"""Upper bound on disk: a clip's 81,920 pixel bytes and its latents, uncompressed."""

COLUMNS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("domain", pa.string()),
        ("split", pa.string()),
        ("label", pa.int8()),
        ("label_name", pa.string()),
        ("frames", pa.binary()),
        ("x", pa.list_(pa.float32())),
        ("y", pa.list_(pa.float32())),
        ("speed", pa.float32()),
        ("radius", pa.float32()),
        ("reflections", pa.int16()),
        ("visible_frames", pa.int16()),
        ("digit", pa.int32()),
        ("octaves", pa.int16()),
        ("noise_seeds", pa.list_(pa.int32())),
    ]
)


@dataclass(frozen=True)
class GeneratedClips(Dataset):
    """Enough to make every byte of a data folder again."""

    shape: TemporalShapeSpec
    digits_source: str
    digits_digest: str
    clips: Mapping[str, int]
    """Number of clips by ``domain/split``."""

    def __post_init__(self) -> None:
        for part, count in self.clips.items():
            domain, _, split = part.partition("/")
            if domain not in DOMAINS:
                raise one_of("domain", domain, DOMAINS)
            if split not in SPLITS:
                raise one_of("split", split, SPLITS)
            if count < 1:
                raise BadInput(f"{part} is to hold {count} clips; valid: 1 or more")

    def identity(self) -> dict[str, Any]:
        """All that decides a clip's pixels, apart from its own key."""
        return {
            "kind": "temporal_shape",
            "generator_version": GENERATOR_VERSION,
            "spec": self.shape.as_dict(),
            "digits": {"source": self.digits_source, "digest": self.digits_digest},
        }

    def parts(self) -> Mapping[str, list[Shard]]:
        """Shards of at most CLIPS_PER_SHARD clips."""
        return {part: shards_of(part, clips, CLIPS_PER_SHARD) for part, clips in self.clips.items()}

    @property
    def clip_bytes(self) -> int:
        """Those of an uncompressed clip."""
        return BYTES_PER_CLIP

    def layout(self) -> Layout:
        """Grey frames without their channel, and what each clip was rendered from."""
        return Layout(COLUMNS, LABEL_NAMES, (NUM_FRAMES, FRAME_SIZE, FRAME_SIZE))

    def maker(self) -> Callable[[Shard], Rows]:
        """Renders clips. Raises BadInput when the digits here are other ones."""
        return partial(rendered_rows, self.shape, same_digits(self.digits_source, self.digits_digest))

    def differences(self, manifest: Mapping[str, Any]) -> list[str]:
        """Other counts, too: a larger set would take the place of one that others train on."""
        there = {part: entry["clips"] for part, entry in manifest["splits"].items()}
        counts = [
            f"{there[part]} clips of {part} instead of {clips}"
            for part, clips in self.clips.items()
            if there.get(part, clips) != clips
        ]
        return super().differences(manifest) + counts

    def as_dict(self, parts: Iterable[str]) -> dict[str, Any]:
        """What makes the clips of the named ``domain/split`` parts again, for a record; ``from_dict`` reads it."""
        return {**self.identity(), "clips": {part: self.clips[part] for part in parts}}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "GeneratedClips":
        """Raises BadInput for what another version of the generator made."""
        if value["generator_version"] != GENERATOR_VERSION:
            raise BadInput(f"clips of generator version {value['generator_version']}; this one is {GENERATOR_VERSION}")
        digits = value["digits"]
        return cls(TemporalShapeSpec(**value["spec"]), digits["source"], digits["digest"], value["clips"])

    def fingerprint(self, parts: Iterable[str]) -> str:
        """16 hex digits for the named ``domain/split`` parts: known before a clip is made, the same on any machine."""
        counts = {part: self.clips[part] for part in sorted(parts)}
        made_from = json.dumps({"identity": self.identity(), "clips": counts}, sort_keys=True)
        return hashlib.sha256(made_from.encode()).hexdigest()[:16]


def rendered_rows(spec: TemporalShapeSpec, digits: Digits, shard: Shard) -> Rows:
    """The clips of a shard."""
    domain, _, split = shard.part.partition("/")
    return Rows([_row(shard.part, i, make_clip(spec, domain, split, i, digits)) for i in shard.places])


def clip_id_of(part: str, index: int) -> str:
    """Name of clip ``index`` of a ``domain/split``; names sort as their numbers do."""
    return f"{part}/{index:06d}"


def _row(part: str, index: int, clip: Clip) -> dict[str, Any]:
    path, (domain, _, split) = clip.trajectory, part.partition("/")
    return {
        "clip_id": clip_id_of(part, index),
        "domain": domain,
        "split": split,
        "label": clip.label,
        "label_name": LABEL_NAMES[clip.label],
        "frames": clip.frames.tobytes(),
        "x": path.positions[:, 0],
        "y": path.positions[:, 1],
        "speed": path.speed,
        "radius": path.radius,
        "reflections": path.reflections,
        "visible_frames": clip.visible_frames,
        "digit": clip.digit,
        "octaves": clip.octaves,
        "noise_seeds": clip.noise_seeds,
    }
