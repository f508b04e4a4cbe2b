"""Clips that lie in memory: read from a source once, shared by the processes of a node, and gathered into batches."""

import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from rac_ray.data.order import Mirror, Share, ShareBatches
from rac_ray.data.shards import Clips


class SharedClips(Mapping[str, Clips]):
    """Clips by part in Ray's object store: one copy on each node, which its processes view."""

    def __init__(self, references: Mapping[str, Any]) -> None:
        self.references = references

    def __getitem__(self, part: str) -> Clips:
        import ray

        return ray.get(self.references[part])

    def __iter__(self) -> Iterator[str]:
        return iter(self.references)

    def __len__(self) -> int:
        return len(self.references)


class ResidentBatches(ShareBatches):
    """Batches of (clips (B, T, C, H, W) uint8, labels (B,) int64) of one rank, gathered from clips in memory.

    On a CPU the clips are viewed where they lie, on another device they lie there, once for all batches of a process.
    """

    def __init__(
        self, clips: Clips, share: Share, *, mirror: Mirror | None = None, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(share, clips.clip_ids)
        self.clips = clips
        self.mirror = mirror
        self.frames = _lying(with_channels(_viewed(clips.frames)), torch.device(device))
        self.labels = torch.tensor(clips.labels, device=device)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The announced epoch; after a checkpoint in its middle the rest of it."""
        order = None
        if self.share.key is not None:
            order = torch.from_numpy(self.share.order(len(self.clips), self.now)).to(self.labels.device)
        for step in range(self.begin(), len(self)):
            started = time.perf_counter()
            batch = self._gathered(order, self.share.mine(step))
            self.seconds += time.perf_counter() - started
            self.done = step + 1
            yield batch

    def _gathered(self, order: Tensor | None, mine: slice) -> tuple[Tensor, Tensor]:
        if order is None:
            frames, labels, places = self.frames[mine], self.labels[mine], range(len(self.clips))[mine]
        else:  # index_select copies whole clips; indexing by a tensor is six times slower
            frames, labels = self.frames.index_select(0, order[mine]), self.labels.index_select(0, order[mine])
            places = order[mine].tolist() if self.mirror else ()
        return self._mirrored(frames, places), labels

    def _mirrored(self, frames: Tensor, places: Any) -> Tensor:
        if not self.mirror:
            return frames
        flips = [self.mirror(self.now, self.clips.clip_ids[place]) for place in places]
        which = torch.tensor(flips, device=frames.device).view(-1, 1, 1, 1, 1)
        return torch.where(which, frames.flip(-1), frames)


_COPIES: WeakValueDictionary[tuple[int, tuple[int, ...], str], Tensor] = WeakValueDictionary()
"""Clips on devices by where they came from; batches that have a copy keep its original, too, so that no address is used
twice."""


def _lying(frames: Tensor, device: torch.device) -> Tensor:
    """The clips on a device, which seeds that train in one process share."""
    if device.type == "cpu":
        return frames
    key = frames.data_ptr(), tuple(frames.shape), str(device)
    copy = _COPIES.get(key)
    if copy is None:
        copy = _COPIES[key] = frames.to(device)
    return copy


def with_channels(frames: Tensor) -> Tensor:
    """Clips (N, T, C, H, W), of grey ones (N, T, H, W), too."""
    return frames.unsqueeze(2) if frames.ndim == 4 else frames


def _viewed(frames: np.ndarray) -> Tensor:
    """The array's own memory, which may be Ray's: nothing writes there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(frames)
