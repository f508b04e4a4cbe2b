"""Clips that lie in memory: what a training reads from a dataset that all trainings of its source share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from rac_ray.data.feed import Asked, Batch, Opening
from rac_ray.data.loading import ResidentBatches, ResidentClips, with_channels
from rac_ray.data.shards import Clips
from rac_ray.identity import seed_for
from rac_ray.training.classifier import to_unit_range
from rac_ray.training.evaluate import EVALUATION_BATCHES

RESIDENT = ResidentClips()
"""Decoded clips of this process; reused actors find them here."""


@dataclass(frozen=True)
class ResidentSubject:
    """A model, and the ``domain/split`` parts that it trains on, validates on and is asked about."""

    build: Callable[[], nn.Module]
    train: str
    val: str
    asked: tuple[str, ...]
    num_classes: int
    clip_shape: tuple[int, int, int, int]
    reading_cpus: float = 0.0

    @property
    def parts(self) -> tuple[str, ...]:
        """All that it reads."""
        return tuple(dict.fromkeys((self.train, self.val, *self.asked)))

    def scaled(self, clips: Tensor) -> Tensor:
        """Clips of uint8 in [0, 1], without further normalisation."""
        return to_unit_range(clips)

    def evaluation_batch(self, device_type: str, batch_size: int) -> int:
        """The same for any recipe."""
        return EVALUATION_BATCHES[device_type]

    def feeds(self, opening: Opening) -> "ResidentFeeds":
        """Read what this process does not hold yet."""
        keys = {part: opening.content[part] for part in self.parts}
        return ResidentFeeds(self, opening, RESIDENT.get(keys, opening.reader, self.clip_shape))


@dataclass(frozen=True)
class ResidentFeeds:
    """One worker's batches of clips in memory."""

    subject: ResidentSubject
    opening: Opening
    clips: dict[str, Clips]

    def train(self) -> ResidentBatches:
        """In the order of (seed, epoch). Raises BadInput when the clips do not fill a batch."""
        return self._batches(self.clips[self.subject.train], order_seed=seed_for("order", self.opening.seed))

    def val(self) -> ResidentBatches:
        """In the clips' own order."""
        return self._batches(self.clips[self.subject.val])

    @property
    def _batches(self) -> Callable[..., ResidentBatches]:
        place = self.opening.place
        where = {"device": place.device, "rank": place.rank, "world": place.world}
        return partial(ResidentBatches, batch_size=self.opening.batch_size, **where)

    def asked(self, part: str) -> Asked:
        """The clips of a part, this worker's in batches on the CPU."""
        clips = self.clips[part]
        return Asked(clips.clip_ids, clips.labels, self._looks(clips))

    def _looks(self, clips: Clips) -> Iterator[Batch]:
        place, size = self.opening.place, EVALUATION_BATCHES[torch.device(self.opening.place.device).type]
        frames = with_channels(torch.tensor(clips.frames[place.rank :: place.world]))
        labels = torch.tensor(clips.labels[place.rank :: place.world])
        for first in range(0, len(labels), size):
            yield frames[first : first + size], labels[first : first + size]
