"""The one protocol by which clips reach a worker, whatever the study: batches for training and validation, and clips
that a checkpoint is asked about.

A batch is (clips (B, T, C, H, W) uint8, labels (B,) int64) of one worker.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rac_ray.data.order import Mirror
    from rac_ray.data.shards import Clips
    from rac_ray.data.source import Source, StoredSource

Batch = tuple["Tensor", "Tensor"]


@dataclass(frozen=True)
class Place:
    """One worker's place in its group."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    def share(self, batch_size: int) -> int:
        """Clips of a step over all workers that are this one's: every ``world``-th."""
        return len(range(self.rank, batch_size, self.world))

    def weight(self, batch_size: int) -> float:
        """This worker's share over an even one: gradients are averaged over workers, and clips count the same."""
        return self.share(batch_size) * self.world / batch_size


@dataclass(frozen=True)
class Opening:
    """What feeds are opened with, in the process that trains."""

    seed: int
    """Of the training; orders and flips are drawn from it."""
    batch_size: int
    """Clips of a step over all workers."""
    place: Place = field(default_factory=Place)
    clips: "Mapping[str, Clips]" = field(default_factory=dict)
    """By ``domain/split``, those that lie in memory; others are streamed."""
    keep: bool = False
    """Whether clips that are drawn for an epoch are written to the data folder as well."""


class Batches(Protocol):
    """What a model is trained or validated on: batches of one worker, the epoch announced through ``sampler``."""

    seconds: float
    """Time spent on batches since it was last set to 0."""

    def set_epoch(self, epoch: int) -> None:
        """Lightning's word on which epoch comes next."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """How far the epoch has come; after ``load_state_dict`` iterating goes on from there."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Asked:
    """The clips of one ``domain/split``, in their order."""

    clip_ids: list[str]
    labels: NDArray[np.int64]
    """(N,)"""
    batches: Iterable[Batch]
    """This worker's clips: every ``world``-th, beginning with number ``rank``."""


class Feeds(Protocol):
    """All clips that a worker needs for one training."""

    def train(self) -> Batches:
        """In an order drawn for each epoch."""
        ...

    def val(self) -> Batches:
        """In an order of their own."""
        ...

    def asked(self, part: str) -> Asked:
        """The clips of ``domain/split`` that the model is evaluated on."""
        ...


class Subject(Protocol):
    """What is trained on what: goes to the worker by pickle, and opens its clips there."""

    @property
    def num_classes(self) -> int: ...

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """(T, C, H, W) of a clip as the model sees it in training."""
        ...

    def shape_of(self, part: str) -> tuple[int, int, int, int]:
        """The same of a clip of ``domain/split``: a model may be asked about clips of another length."""
        ...

    def key(self, part: str) -> str:
        """Of the clips of ``domain/split``: subjects of one key have the same ones."""
        ...

    @property
    def draws(self) -> bool:
        """Whether training clips are drawn for each epoch (``endless``) in place of those of ``train``."""
        ...

    @property
    def train(self) -> str:
        """``domain/split`` that is trained on."""
        ...

    @property
    def val(self) -> str:
        """``domain/split`` that is validated on."""
        ...

    def build(self) -> "nn.Module":
        """The model, initialised from torch's global generator on torch's default device."""
        ...

    def scaled(self, clips: "Tensor") -> "Tensor":
        """Clips (B, T, C, H, W) uint8 as float32, on their device."""
        ...

    def evaluation_batch(self, device_type: str, batch_size: int) -> int:
        """Clips that a worker evaluates at once, on a ``cpu`` or ``cuda`` device, given those of its training steps."""
        ...

    def source(self, part: str, mirror: "Mirror | None" = None) -> "StoredSource":
        """The clips of ``domain/split``, mirrored at random where that is asked for."""
        ...

    def endless(self, opening: Opening) -> "Source | None":
        """The training clips of such a subject; None of any other."""
        ...

    def order_key(self, seed: int) -> int:
        """Of the order in which training clips come, for a training's seed."""
        ...

    def mirror(self, split: str, seed: int) -> "Mirror | None":
        """How clips are mirrored while it trains (``train``) and validates (``val``); None: not at all."""
        ...
