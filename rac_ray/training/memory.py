"""Memory that one training step needs, counted without a device: forward and backward pass on PyTorch's meta device.

Every tensor's storage counts from its making to its end, so that the peak is that of an allocator without gaps.
Workspaces of convolutions and a GPU's own kernels (fused attention keeps less, cuDNN takes some more) are not in it.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass(frozen=True)
class StepMemory:
    """What a training step holds at its worst moment, in bytes."""

    fixed: int
    """Parameters, gradients, momentum and buffers, whatever the batch."""
    per_clip: int
    """Activations, and gradients of them, of one more clip in the batch."""

    def of(self, clips: int) -> int:
        return self.fixed + clips * self.per_clip


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that operations make while it is entered, and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._known: weakref.WeakKeyDictionary[torch.UntypedStorage, None] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for value in found if isinstance(found, tuple | list) else (found,):
            if isinstance(value, torch.Tensor):
                self._count(value.untyped_storage())
        return found

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known[storage] = None
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._drop, size)

    def _drop(self, size: int) -> None:
        self.now -= size


def step_memory(
    build: Callable[[], nn.Module], clip: tuple[int, ...], *, dtype: torch.dtype = torch.float32
) -> StepMemory:
    """Memory of a step of the model that ``build`` makes, on clips (T, C, H, W), trained by SGD with momentum.

    ``dtype`` is that of activations; parameters and what SGD keeps count as float32, as under autocast.
    """
    with torch.device("meta"):
        model = build()
    fixed = sum(parameter.numel() for parameter in model.parameters()) * 3 * 4
    fixed += sum(buffer.nbytes for buffer in model.buffers())
    one, two = (_peak(model.to(dtype), (clips, *clip), dtype) for clips in (1, 2))
    return StepMemory(fixed, two - one)


def _peak(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """Peak of what a forward and a backward pass make."""
    model.zero_grad()
    with torch.device("meta"), LiveBytes() as live:
        clips = torch.empty(shape, dtype=dtype)
        labels = torch.zeros(shape[0], dtype=torch.long)
        cross_entropy(model(clips), labels).backward()
        model.zero_grad()
    return live.peak
