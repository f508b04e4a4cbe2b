"""Weights as files of a training's folder."""

import io
from collections.abc import Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor

from rac_ray.errors import BadInput
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
    """The weights of a checkpoint file of a training's folder. Raises BadInput for a file that holds none."""
    content = folder.read_bytes(name)
    try:
        found: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling damaged bytes can raise anything
        raise BadInput(f"{folder.address(name)} is damaged: it holds no weights ({type(error).__name__})") from error
    if not is_weights(found):
        raise BadInput(f"{folder.address(name)} is damaged: it holds no weights")
    return found


def is_weights(value: object) -> TypeGuard[dict[str, Tensor]]:
    """Whether something that was read is tensors by name."""
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(each, Tensor) for name, each in value.items()
    )
