"""The clips of Temporal Shape as shards: what a data folder holds, and the rows of one shard."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa

from rac_ray.counted import counted
from rac_ray.data.dataset import Dataset
from rac_ray.data.manifest import spec_differences
from rac_ray.data.shards import Layout, Rows, Shard, shards_of
from rac_ray.errors import BadInput, one_of
from rac_ray.studies.temporal_shape.digits import MNIST
from rac_ray.studies.temporal_shape.domains import (
    GENERATOR_VERSION,
    KNOWN,
    SPLITS,
    Clip,
    TemporalShapeSpec,
    frames_of,
    make_clip,
)
from rac_ray.studies.temporal_shape.symbols import Symbols
from rac_ray.studies.temporal_shape.trajectories import ALL_LABEL_NAMES, FRAME_SIZE, NUM_FRAMES

CLIPS_PER_SHARD = 500
MOST_CLIPS = 10_000_000
"""Of a part: 800 GB."""
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
        ("drift_x", pa.float32()),
        ("drift_y", pa.float32()),
    ]
)


@dataclass(frozen=True)
class GeneratedClips(Dataset):
    """Enough to make every byte of a data folder again."""

    shape: TemporalShapeSpec
    clips: Mapping[str, int]
    """Number of clips by ``domain/split``."""
    symbols: tuple[Symbols, ...] = ()
    """What further domains show."""

    def __post_init__(self) -> None:
        domains = (*KNOWN, *(symbols.name for symbols in self.symbols))
        for part, count in self.clips.items():
            domain, _, split = part.partition("/")
            if domain not in domains:
                raise one_of("domain", domain, domains)
            if split not in SPLITS:
                raise one_of("split", split, SPLITS)
            if count < 1:
                raise BadInput(f"{part} is to hold {counted(count, 'clip', spec=',')}; valid: 1 or more")
            if count > MOST_CLIPS:
                raise BadInput(f"{part} is to hold {count} clips; valid: at most {MOST_CLIPS}")

    def identity(self) -> dict[str, Any]:
        """All that decides a clip's pixels, apart from its own key and the symbols of further domains."""
        return {
            "kind": "temporal_shape",
            "generator_version": GENERATOR_VERSION,
            "spec": self.shape.as_dict(),
            "digits": MNIST,
        }

    def parts(self) -> Mapping[str, list[Shard]]:
        """Shards of at most CLIPS_PER_SHARD clips."""
        return {part: shards_of(part, clips, CLIPS_PER_SHARD) for part, clips in self.clips.items()}

    @property
    def clip_bytes(self) -> int:
        """Those of an uncompressed clip, of the longest ones."""
        return BYTES_PER_CLIP * max(map(frames_of, self.clips), default=NUM_FRAMES) // NUM_FRAMES

    def layout(self, part: str) -> Layout:
        """Grey frames without their channel, and what each clip was rendered from."""
        return Layout(COLUMNS, self.shape.label_names, (frames_of(part), FRAME_SIZE, FRAME_SIZE))

    def maker(self) -> Callable[[Shard], Rows]:
        """Renders clips; each process loads symbols by itself, and only those that it shows."""
        return partial(rendered_rows, self)

    def made_of(self, shard: Shard) -> str:
        """Digest of the symbols that a further domain shows."""
        symbols = self.symbols_of(shard.part)
        return symbols.digest if symbols else ""

    def symbols_of(self, part: str) -> Symbols | None:
        """What the domain of a ``domain/split`` shows, where it is a further one."""
        return next((symbols for symbols in self.symbols if symbols.name == part.partition("/")[0]), None)

    def clip(self, part: str, index: int) -> Clip:
        """Clip ``index`` of a ``domain/split``. Raises BadInput when its symbols are gone, or others by now."""
        (domain, _, split), symbols = part.partition("/"), self.symbols_of(part)
        return make_clip(self.shape, domain, split, index, symbols.images() if symbols else None)

    def differences(self, manifest: Mapping[str, Any]) -> list[str]:
        """Other counts, too: a larger set would take the place of one that others train on.

        Specs are compared with the number of shapes, which identities name only where it is another than the study's.
        """
        there = {part: entry["clips"] for part, entry in manifest["splits"].items()}
        counts = [
            f"{counted(there[part], 'clip')} of {part} instead of {clips}"
            for part, clips in self.clips.items()
            if there.get(part, clips) != clips
        ]
        return spec_differences(_in_full(manifest["identity"]), _in_full(self.identity())) + counts

    def _symbols_of(self, parts: Iterable[str]) -> list[Symbols]:
        """Of further domains, those that are among the named ``domain/split`` parts."""
        return [symbols for symbols in map(self.symbols_of, parts) if symbols]

    def as_dict(self, parts: Iterable[str]) -> dict[str, Any]:
        """What makes the clips of the named ``domain/split`` parts again, for a record; ``from_dict`` reads it."""
        clips = {part: self.clips[part] for part in parts}
        symbols = [asdict(each) for each in self._symbols_of(clips)]
        return {**self.identity(), "clips": clips, **({"symbols": symbols} if symbols else {})}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "GeneratedClips":
        """Raises BadInput for what another version of the generator made, and for other digits than MNIST's; KeyError,
        TypeError or ValidationError for what ``as_dict`` has not written."""
        if value["generator_version"] != GENERATOR_VERSION:
            raise BadInput(f"clips of generator version {value['generator_version']}; this one is {GENERATOR_VERSION}")
        digits = value["digits"]
        if digits != MNIST:
            raise BadInput(
                f"these clips were drawn with digits {digits['source']!r} ({digits['digest']}), which are no longer "
                f"shipped; valid: {MNIST['source']!r} ({MNIST['digest']})"
            )
        made = msgspec.convert(value, _Made)
        return cls(TemporalShapeSpec(**value["spec"]), made.clips, tuple(made.symbols))

    def fingerprint(self, parts: Iterable[str]) -> str:
        """16 hex digits for the named ``domain/split`` parts: known before a clip is made, the same on any machine."""
        counts = {part: self.clips[part] for part in sorted(parts)}
        made_from: dict[str, Any] = {"identity": self.identity(), "clips": counts}
        if symbols := {each.name: each.digest for each in self._symbols_of(counts)}:
            made_from["symbols"] = symbols
        return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]


class _Made(msgspec.Struct):
    """What ``as_dict`` has, by its types."""

    spec: TemporalShapeSpec
    clips: dict[str, int]
    symbols: list[Symbols] = []


def _in_full(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity whose spec, if it has one, names the number of shapes."""
    spec = identity.get("spec")
    return (
        {**identity, "spec": {"shapes": TemporalShapeSpec.shapes, **spec}}
        if isinstance(spec, Mapping)
        else {**identity}
    )


def rendered_rows(dataset: GeneratedClips, shard: Shard) -> Rows:
    """The clips of a shard."""
    return Rows([row_of(shard.part, index, dataset.clip(shard.part, index)) for index in shard.places])


def clip_id_of(part: str, index: int) -> str:
    """Name of clip ``index`` of a ``domain/split``; names sort as their numbers do."""
    return f"{part}/{index:06d}"


def row_of(part: str, index: int, clip: Clip) -> dict[str, Any]:
    """A clip's row in a shard."""
    path, (domain, _, split) = clip.trajectory, part.partition("/")
    return {
        "clip_id": clip_id_of(part, index),
        "domain": domain,
        "split": split,
        "label": clip.label,
        "label_name": ALL_LABEL_NAMES[clip.label],
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
        "drift_x": clip.drift[0],
        "drift_y": clip.drift[1],
    }
