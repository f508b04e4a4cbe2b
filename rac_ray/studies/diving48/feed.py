"""Diving48's clips for one worker: streamed from shards, each domain rendered when its clips are loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn

from rac_ray.data.feed import Asked, Opening
from rac_ray.data.manifest import require_manifest
from rac_ray.data.streaming import READING_CPUS, Feed, Render, StoredClip, StreamedBatches, normalised, places
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
class StreamedSubject:
    """A model, and the shards that it reads."""

    build: Callable[[], nn.Module]
    data: Storage
    frames: Mapping[str, Render | None] = field(default_factory=lambda: {"original/test": None})
    """What makes the frames of a test part; None for those of the shards."""
    validation: str = "authors"
    flip_validation: bool = False
    num_classes: int = NUM_CLASSES
    clip_shape: tuple[int, int, int, int] = (NUM_FRAMES, CHANNELS, FRAME_SIZE, FRAME_SIZE)
    reading_cpus: float = READING_CPUS

    def scaled(self, clips: Tensor) -> Tensor:
        """With ImageNet's mean and deviation taken out."""
        return normalised(clips)

    def evaluation_batch(self, device_type: str, batch_size: int) -> int:
        """As many as in a training step."""
        return batch_size

    def feeds(self, opening: Opening) -> "StreamedFeeds":
        """Find the clips. Raises BadInput when there are fewer validation clips than workers."""
        return StreamedFeeds(self, opening)


@dataclass(frozen=True)
class StreamedFeeds:
    """One worker's streams."""

    subject: StreamedSubject
    opening: Opening

    def train(self) -> StreamedBatches:
        """In the order of (seed, epoch), mirrored at random."""
        return self._batches("train")

    def val(self) -> StreamedBatches:
        """In the clips' own order."""
        batches = self._batches("val", shuffle=False, flip=self.subject.flip_validation)
        world = self.opening.place.world
        if len(batches.clips) < world:
            raise BadInput(f"{len(batches.clips)} validation clips for {world} workers; valid: one each, or more")
        return batches

    def _batches(self, part: str, *, shuffle: bool = True, flip: bool = True) -> StreamedBatches:
        opening, subject = self.opening, self.subject
        place = opening.place
        feed = Feed(
            seed_for("order", opening.seed),
            opening.batch_size,
            shuffle,
            flip,
            rank=place.rank,
            world=place.world,
            uneven=True,
        )
        clips = official_places(subject.data, part, subject.validation)
        return StreamedBatches(subject.data, clips, feed, device=place.device)

    def asked(self, part: str) -> Asked:
        """The clips of the validation split, or of the test list in a domain."""
        split = part.partition("/")[2]
        opening, subject = self.opening, self.subject
        place = opening.place
        clips = official_places(subject.data, split, subject.validation)
        feed = Feed(
            opening.seed, opening.batch_size, False, flip=False, rank=place.rank, world=place.world, uneven=True
        )
        render = subject.frames[part] if split == "test" else None
        batches = StreamedBatches(subject.data, clips, feed, device=place.device, render=render).epoch(0)
        labels = np.array([clip.label for clip in clips], np.int64)
        return Asked([clip.clip_id for clip in clips], labels, batches)
