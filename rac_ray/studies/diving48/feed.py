"""Diving48's clips: JPEG frames in shards, each domain rendered when its clips are loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor, nn

from rac_ray.data.feed import Opening
from rac_ray.data.jpegs import JpegClips, Render, normalised
from rac_ray.data.manifest import require_manifest
from rac_ray.data.order import Mirror
from rac_ray.data.source import Source, StoredClip, StoredSource, places
from rac_ray.errors import BadInput
from rac_ray.identity import seed_for
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.sizes import CHANNELS, FRAME_SIZE, NUM_CLASSES, NUM_FRAMES


def official_places(root: Storage, part: str, validation: str = "authors") -> list[StoredClip]:
    """``train``, ``val`` or ``test``: ``val`` is cut from the official train list as ``validation`` says."""
    manifest = require_manifest(root)
    if part == "test":
        return places(root, "test")
    if validation not in manifest["val"]:
        raise BadInput(f"unknown validation split {validation!r}; valid: {', '.join(manifest['val'])}")
    val = set(manifest["val"][validation])
    return [place for place in places(root, "train") if (place.clip_id in val) == (part == "val")]


@dataclass(frozen=True)
class DivingSubject:
    """A model, and the shards that it reads."""

    build: Callable[[], nn.Module]
    data: Storage
    frames: Mapping[str, Render | None] = field(default_factory=lambda: {"original/test": None})
    """What makes the frames of a test part; None for those of the shards."""
    validation: str = "authors"
    flip_validation: bool = False
    num_classes: int = NUM_CLASSES
    clip_shape: tuple[int, int, int, int] = (NUM_FRAMES, CHANNELS, FRAME_SIZE, FRAME_SIZE)
    train: str = "original/train"
    val: str = "original/val"
    draws: bool = False
    """Dives are recorded, and cannot be drawn."""

    def key(self, part: str) -> str:
        """The part in its folder, and how validation clips were cut, which takes them from the training clips."""
        return f"{self.data.address(part)} {self.validation}"

    def shape_of(self, part: str) -> tuple[int, int, int, int]:
        """All clips have one shape."""
        return self.clip_shape

    def scaled(self, clips: Tensor) -> Tensor:
        """With ImageNet's mean and deviation taken out."""
        return normalised(clips)

    def evaluation_batch(self, device_type: str, batch_size: int) -> int:
        """As many as in a training step."""
        return batch_size

    def source(self, part: str, mirror: Mirror | None = None) -> StoredSource:
        """The clips of the train, validation or test list, the latter in a domain."""
        split = part.partition("/")[2]
        find = partial(official_places, self.data, split, self.validation)
        return JpegClips(self.data, find, self.frames[part] if split == "test" else None, mirror)

    def endless(self, opening: Opening) -> Source | None:
        """None."""
        return None

    def order_key(self, seed: int) -> int:
        """Of a stream of its own."""
        return seed_for("order", seed_for("order", seed))

    def mirror(self, split: str, seed: int) -> Mirror | None:
        """Training clips at random, and validation clips where the authors' way is asked for (facts.md 3.1)."""
        return Mirror(seed_for("order", seed)) if split == "train" or self.flip_validation else None
