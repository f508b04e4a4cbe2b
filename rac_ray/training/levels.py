"""Checkpoints at levels of source-validation accuracy: models are compared where they are equally good (facts.md 3.5).

Of each level the epoch is kept whose validation top-1 is nearest to it, the earlier one on ties. Levels may share an
epoch; no more checkpoints are kept than there are levels. The study kept every epoch's and states no rule for levels
that no epoch meets exactly (facts.md 3.2).
"""

import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rac_ray.errors import BadInput
from rac_ray.storage import Storage

PREFIX = "level-epoch-"
PREDICTIONS = "predictions-epoch-"
OUTCOME = "outcome.json"
"""What a training came to; its folder gets it last."""


class Levels:
    """Which epochs are nearest to some levels, epoch by epoch."""

    def __init__(self, wanted: Sequence[float]) -> None:
        """``wanted`` are top-1 values in (0, 1]; BadInput for others, and when there are none."""
        outside = [level for level in wanted if not 0 < level <= 1]
        if outside or not wanted:
            raise BadInput(f"levels of validation top-1 are {[*wanted]}; valid: one or more above 0, at most 1")
        self.wanted = tuple(sorted(set(wanted)))
        self.kept: dict[float, tuple[int, float]] = {}
        """Epoch and top-1 by level."""

    def offer(self, epoch: int, top1: float) -> bool:
        """Take note of an epoch; whether its checkpoint is to be kept."""
        nearer = [level for level in self.wanted if level not in self.kept or self._off(level) > abs(top1 - level)]
        for level in nearer:
            self.kept[level] = (epoch, top1)
        return bool(nearer)

    def _off(self, level: float) -> float:
        return abs(self.kept[level][1] - level)

    @property
    def epochs(self) -> set[int]:
        """Whose checkpoints are needed."""
        return {epoch for epoch, _ in self.kept.values()}

    @property
    def passed(self) -> bool:
        """Whether an epoch has reached the highest level: later ones cannot be needed for a model that improves."""
        return any(top1 >= self.wanted[-1] for _, top1 in self.kept.values())


def level_file(epoch: int) -> str:
    """Name of an epoch's checkpoint in a trial's folder."""
    return f"{PREFIX}{epoch:04d}.ckpt"


def predictions_file(epoch: int) -> str:
    """Name of what an epoch that a level kept says of all clips."""
    return f"{PREDICTIONS}{epoch:04d}.parquet"


def keep(folder: Storage, epoch: int, model: nn.Module) -> None:
    """Write an epoch's weights.

    Predictions by earlier ones of the same epoch go first: a training begins anew when its checkpoint is damaged.
    """
    folder.delete(predictions_file(epoch))
    sink = io.BytesIO()
    torch.save({name: value.detach().cpu() for name, value in model.state_dict().items()}, sink)
    folder.write_bytes(level_file(epoch), sink.getvalue())


def drop_others(folder: Storage, epochs: set[int]) -> None:
    """Delete the checkpoints of epochs that no level needs any more."""
    needed = {level_file(epoch) for epoch in epochs}
    for name in folder.names():
        if name.startswith(PREFIX) and name not in needed:
            folder.delete(name)


def weights_of(folder: Storage, epoch: int) -> dict[str, Tensor]:
    """The weights of an epoch that was kept."""
    content: Any = torch.load(io.BytesIO(folder.read_bytes(level_file(epoch))), map_location="cpu", weights_only=True)
    return content
