"""What is trained on shards of raw pixels: a model with its parts, for studies whose clips need no more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rac_ray.data.feed import Opening
from rac_ray.data.order import Mirror
from rac_ray.data.source import Source, StoredClips, StoredSource
from rac_ray.identity import seed_for
from rac_ray.store.storage import Storage

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class ShardSubject:
    """A model, and the ``domain/split`` parts of a data folder that it trains and validates on."""

    build: "Callable[[], nn.Module]"
    train: str
    val: str
    num_classes: int
    clip_shape: tuple[int, int, int, int]
    data: Storage
    drawn: Callable[[int, Storage | None], Source] | None = None
    """What draws training clips anew in each epoch, by the training's seed, and writes them to the data folder where it
    is given one; None: those of ``train`` are stored."""
    lengths: Mapping[str, int] = field(default_factory=dict)
    """Frames of clips of parts that have other numbers of them."""

    def key(self, part: str) -> str:
        """The part in its folder."""
        return self.data.address(part)

    def shape_of(self, part: str) -> tuple[int, int, int, int]:
        """The training clips', but for the number of frames where that is another."""
        return (self.lengths.get(part, self.clip_shape[0]), *self.clip_shape[1:])

    @property
    def draws(self) -> bool:
        """Whether there is something that draws."""
        return self.drawn is not None

    def scaled(self, clips: "Tensor") -> "Tensor":
        """Clips of uint8 in [0, 1], without further normalisation."""
        from rac_ray.training.classifier import to_unit_range

        return to_unit_range(clips)

    def evaluation_batch(self, device_type: str, batch_size: int) -> int:
        """The same for any recipe."""
        from rac_ray.training.evaluate import EVALUATION_BATCHES

        return EVALUATION_BATCHES[device_type]

    def source(self, part: str, mirror: Mirror | None = None) -> StoredSource:
        """As they lie in the shards."""
        return StoredClips(self.data, part, self.shape_of(part))

    def endless(self, opening: Opening) -> Source | None:
        """Those of ``drawn``."""
        return self.drawn(opening.seed, self.data if opening.keep else None) if self.drawn else None

    def order_key(self, seed: int) -> int:
        """Of a stream of its own."""
        return seed_for("order", seed)

    def mirror(self, split: str, seed: int) -> Mirror | None:
        """Clips stay as they are."""
        return None
