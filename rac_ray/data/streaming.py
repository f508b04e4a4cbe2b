"""Batches that are made ahead, in an order that can be taken up anywhere.

The order of an epoch is a permutation drawn from (seed, epoch), of which each rank takes every world-th clip; a clip's
flip is drawn from (seed, epoch, clip). So what a rank sees depends on nothing else, and a worker that comes back after
n steps goes on with step n. Reading, decoding, rendering and drawing run as Ray's tasks, ahead of the worker.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from math import prod

import numpy as np
import torch
from torch import Tensor

from rac_ray.data.ahead import MadeAhead
from rac_ray.data.order import Share, ShareBatches
from rac_ray.data.source import Loaded, Source


class StreamedBatches(ShareBatches):
    """Batches of (clips (B, T, C, H, W) uint8, labels (B,) int64) of one rank, made ahead.

    ``for batch in batches.epoch(3, done=10)`` goes on in epoch 3 after ten steps. In training the first clips of the
    next epoch are asked for at the end of one: they are made while it validates.
    """

    def __init__(
        self, source: Source, shape: Sequence[int], share: Share, *, device: torch.device | str = "cpu"
    ) -> None:
        """``shape`` (T, C, H, W) is that of a clip."""
        super().__init__(share, source.clip_ids)
        self.source = source
        self.shape = tuple(shape)
        self.device = torch.device(device)
        self._next: tuple[int, MadeAhead] | None = None

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The epoch that is announced when the first batch is asked for: after a checkpoint, Lightning says it late."""
        first = self.begin()
        for step, batch in enumerate(self.epoch(self.now, first), first):
            self.done = step + 1
            if self.done == len(self) and self.share.whole_steps:
                self._next = self.now + 1, self._made(self._steps(self.now + 1, 0), self.now + 1)
            yield batch

    def epoch(self, epoch: int, done: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch after the first ``done`` of them."""
        steps = self._steps(epoch, done)
        begun, self._next = self._next, None
        made = begun[1] if begun and (begun[0], 0) == (epoch, done) else self._made(steps, epoch)
        with closing(made):
            batches = batched(made, list(map(len, steps)), self.shape)
            while True:
                began = time.perf_counter()
                loaded = next(batches, None)
                if loaded is None:
                    return
                moved = torch.from_numpy(loaded.frames).to(self.device), torch.from_numpy(loaded.labels).to(self.device)
                self.seconds += time.perf_counter() - began
                yield moved

    def _steps(self, epoch: int, done: int) -> list[list[int]]:
        """Places of this worker's clips, by step."""
        order = self.share.order(len(self.clip_ids), epoch)
        return [order[self.share.mine(step)].tolist() for step in range(done, len(self))]

    def _made(self, steps: list[list[int]], epoch: int) -> MadeAhead:
        places = [place for step in steps for place in step]
        return MadeAhead(self.source.load, self.source.items(epoch, places), prod(self.shape))


def batched(pieces: MadeAhead, sizes: Sequence[int], shape: tuple[int, ...]) -> Iterator[Loaded]:
    """Batches of these sizes, in memory of their own, from clips (T, C, H, W) that come in any pieces."""
    coming, piece, taken = iter(pieces), None, 0
    for size in sizes:
        batch, filled = Loaded(np.empty((size, *shape), np.uint8), np.empty(size, np.int64)), 0
        while filled < size:
            if piece is None or taken == len(piece.labels):
                piece, taken = next(coming), 0
            upto = min(size, filled + len(piece.labels) - taken)
            rows = slice(taken, taken + upto - filled)
            batch.frames[filled:upto], batch.labels[filled:upto] = piece.frames[rows], piece.labels[rows]
            filled, taken = upto, rows.stop
        yield batch
