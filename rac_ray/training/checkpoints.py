"""Weights as files of a training's folder."""

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rac_ray.store.files import LEVEL, level_file
from rac_ray.store.storage import Storage


def as_bytes(weights: Mapping[str, Tensor]) -> bytes:
    """Weights alone, on the CPU; ``torch.load(..., weights_only=True)`` reads them."""
    sink = io.BytesIO()
    torch.save({name: value.detach().cpu() for name, value in weights.items()}, sink)
    return sink.getvalue()


def keep(folder: Storage, epoch: int, weights: Mapping[str, Tensor]) -> None:
    """Write an epoch's weights."""
    folder.write_bytes(level_file(epoch), as_bytes(weights))


def drop_others(folder: Storage, epochs: Mapping[int, float]) -> None:
    """Delete the checkpoints of epochs that no level needs any more."""
    needed = {level_file(epoch) for epoch in epochs}
    for name in folder.names():
        if name.startswith(LEVEL) and name not in needed:
            folder.delete(name)


def weights_in(folder: Storage, name: str) -> dict[str, Tensor]:
    """The weights of a checkpoint file of a training's folder."""
    content: Any = torch.load(io.BytesIO(folder.read_bytes(name)), map_location="cpu", weights_only=True)
    return content
