"""Orders of clips: those that PyTorch would give, without PyTorch, and which clips a worker gets in which step."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rac_ray.counted import counted
from rac_ray.errors import BadInput
from rac_ray.identity import seed_for

FLIP = 0.5
"""Probability that a clip is mirrored, all its frames together."""


def torch_permutation(size: int, seed: int) -> NDArray[np.int64]:
    """``torch.randperm(size)`` of a CPU generator seeded with ``seed``: (size,), for sizes below 2^32 / 20."""
    draws = np.random.RandomState(seed).randint(0, 2**32, size=max(0, size - 1), dtype=np.uint32)
    order = np.arange(size)
    for place, draw in enumerate(draws.tolist()):
        other = place + draw % (size - place)
        order[place], order[other] = order[other], order[place]
    return order


@dataclass(frozen=True)
class Share:
    """One worker's clips of each step, whatever feeds them: every ``world``-th, beginning with number ``rank``."""

    batch_size: int
    """Clips of a step over all workers."""
    rank: int = 0
    world: int = 1
    whole_steps: bool = True
    """Whether an epoch's last short batch is left out, as in training."""
    key: int | None = None
    """Of the random order of an epoch; None: the clips' own."""

    def __post_init__(self) -> None:
        if self.batch_size < self.world:
            raise BadInput(
                f"{self.world} workers for steps of {counted(self.batch_size, 'clip')}; valid: one clip each, or more"
            )

    def require(self, clips: int) -> None:
        """Raise BadInput for so few clips that there is no step, or that a worker would have none."""
        if self.whole_steps and clips < self.batch_size:
            raise BadInput(
                f"{counted(clips, 'training clip does', 'training clips do')} not fill one batch of {self.batch_size}"
            )
        if not self.whole_steps and clips < self.world:
            raise BadInput(
                f"{self.world} workers for {counted(clips, 'validation clip')}; valid: one clip each, or more"
            )

    def steps(self, clips: int) -> int:
        """Of an epoch; the same for every worker in training."""
        return clips // self.batch_size if self.whole_steps else len(range(self.rank, clips, self.batch_size))

    def order(self, clips: int, epoch: int) -> NDArray[np.int64]:
        """Indices (N,) of an epoch's clips, of all workers."""
        if self.key is None:
            return np.arange(clips)
        return np.random.Generator(np.random.Philox(key=self.key, counter=epoch << 64)).permutation(clips)

    def mine(self, step: int) -> slice:
        """Places of this worker's clips of a step in the order."""
        return slice(step * self.batch_size + self.rank, (step + 1) * self.batch_size, self.world)


class ShareBatches:
    """What batches of a share have in common: the epoch that iterating gives, and how far it has come.

    Lightning announces the epoch through ``sampler.set_epoch``.
    """

    def __init__(self, share: Share, clip_ids: list[str]) -> None:
        self.share = share
        self.clip_ids = clip_ids
        """Names of the clips of all workers."""
        self.now = 0
        """Epoch that iterating gives."""
        self.done = 0
        """Steps of it that have been given."""
        self.first = 0
        """Step with which iterating begins, once."""
        self.seconds = 0.0
        """Time spent on batches since it was last set to 0."""
        self.sampler, self.batch_sampler = self, None

    def set_epoch(self, epoch: int) -> None:
        self.now = epoch

    def state_dict(self) -> dict[str, Any]:
        """How far the epoch has come, for a checkpoint in its middle."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.first = state["done"]

    def __len__(self) -> int:
        return self.share.steps(len(self.clip_ids))

    def begin(self) -> int:
        """Step with which iterating begins now; the next time it is 0."""
        first, self.first = self.first % max(1, len(self)), 0
        return first


@dataclass(frozen=True)
class Mirror:
    """Which clips are mirrored in which epoch."""

    key: int

    def __call__(self, epoch: int, clip_id: str) -> bool:
        return seed_for("flip", self.key, epoch, clip_id) / 2**63 < FLIP
