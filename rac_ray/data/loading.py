"""From shards to batches: Ray Data reads each split once, and the clips stay in memory as uint8 ("resident").

The order of clips is made deterministic by sorting by clip id once, and permuted by (seed, epoch) for training.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from rac_ray.data.manifest import clips_root, files_of, is_elsewhere, require_manifest
from rac_ray.data.parquet_rows import open_rows
from rac_ray.data.shards import Clips, clips_of
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage

if TYPE_CHECKING:
    from ray.data import DataIterator, Dataset


def open_clips(root: Storage, parts: Collection[str]) -> "Dataset":
    """Read ``domain/split`` parts with Ray Data into the object store, once for the whole sweep."""
    import ray.data

    manifest = require_manifest(root)
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    if is_elsewhere(manifest):
        return open_rows(clips_root(root, manifest), files_of(manifest, parts), parts)
    system, folder = root.resolve()
    files = [f"{folder}/{entry['file']}" for part in parts for entry in manifest["splits"][part]["shards"]]
    columns = ["clip_id", "domain", "split", "label", "frames"]
    # Without a CPU of their own, reads can be repeated when a node is lost while trials take every CPU there is.
    reads = ray.data.read_parquet(files, filesystem=system, num_cpus=0)
    return reads.select_columns(columns).materialize()


class ResidentClips:
    """Clips that a process has decoded, by content: trials that share a process do not read them again."""

    def __init__(self) -> None:
        self._clips: dict[str, Clips] = {}

    def get(self, keys: Mapping[str, str], iterator: "DataIterator", shape: Sequence[int]) -> dict[str, Clips]:
        """The clips of each part of ``keys``, which are the only ones kept in memory.

        ``shape`` is that of a clip: Ray Data drops the shards' metadata, which have it.
        """
        self._clips = {key: clips for key, clips in self._clips.items() if key in keys.values()}
        if not all(key in self._clips for key in keys.values()):
            by_part: dict[str, list[pa.Table]] = {part: [] for part in keys}
            whole_blocks: Any = {"batch_format": "pyarrow", "batch_size": None, "prefetch_batches": 0}
            for block in iterator.iter_batches(**whole_blocks):
                for part, table in _parts_of(cast(pa.Table, block)):
                    by_part.get(part, []).append(table)
            self._clips = {key: clips_of(by_part[part], shape) for part, key in keys.items()}
        return {part: self._clips[key] for part, key in keys.items()}


def _parts_of(block: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Cut a block into its ``domain/split`` parts; zero-copy for the usual block, which holds one."""
    domains, splits = block.column("domain").to_pylist(), block.column("split").to_pylist()
    named = np.array([f"{domain}/{split}" for domain, split in zip(domains, splits, strict=True)])
    parts = np.unique(named).tolist()
    for part in parts:
        yield part, block if len(parts) == 1 else block.filter(pa.array(named == part))


class ResidentBatches:
    """Batches of (clips (B, T, C, H, W) uint8, labels (B,) int64) gathered from clips that lie on the device.

    ``batch_size`` counts the clips of a step over all ``world`` workers; this worker yields its ``share``, every
    world-th clip. Training order is a permutation drawn from (order_seed, epoch) and drops the last short batch;
    evaluation order is the clips' own and drops none. Lightning announces the epoch through ``sampler.set_epoch``.
    Raises BadInput when a worker would have no clip, and when the training clips do not fill a batch.
    """

    def __init__(
        self,
        clips: Clips,
        batch_size: int,
        *,
        order_seed: int | None = None,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch_size < world:
            raise BadInput(f"{world} workers for steps of {batch_size} clips; valid: one clip each, or more")
        if order_seed is None and len(clips) < world:
            raise BadInput(f"{world} workers for {len(clips)} validation clips; valid: one clip each, or more")
        if order_seed is not None and len(clips) < batch_size:
            raise BadInput(f"{len(clips)} training clips do not fill one batch of {batch_size}")
        self.frames = with_channels(torch.from_numpy(_writable(clips.frames))).to(device)
        self.labels = torch.from_numpy(_writable(clips.labels)).to(device)
        self.batch_size = batch_size
        self.order_seed = order_seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.seconds = 0.0
        """Time spent on making batches since it was last set to 0."""
        self.sampler, self.batch_sampler = self, None

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def share(self) -> int:
        """Clips of a whole batch that are this worker's."""
        return len(range(self.rank, self.batch_size, self.world))

    def __len__(self) -> int:
        """Batches that this worker yields; the same for every worker in training."""
        if self.order_seed is not None:
            return len(self.labels) // self.batch_size
        return len(range(self.rank, len(self.labels), self.batch_size))

    def _order(self) -> Tensor:
        """This epoch's order of clip indices (N,), over all workers."""
        generator = np.random.Generator(np.random.Philox(key=self.order_seed, counter=self.epoch << 64))
        return torch.from_numpy(generator.permutation(len(self.labels))).to(self.labels.device)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = None if self.order_seed is None else self._order()
        for step in range(len(self)):
            first, last = step * self.batch_size + self.rank, (step + 1) * self.batch_size
            mine, started = slice(first, last, self.world), time.perf_counter()
            if order is None:
                batch = self.frames[mine], self.labels[mine]
            else:  # index_select copies whole clips; indexing by a tensor is six times slower
                batch = self.frames.index_select(0, order[mine]), self.labels.index_select(0, order[mine])
            self.seconds += time.perf_counter() - started
            yield batch


def with_channels(frames: Tensor) -> Tensor:
    """Clips (N, T, C, H, W), of grey ones (N, T, H, W), too."""
    return frames.unsqueeze(2) if frames.ndim == 4 else frames


def _writable(array: np.ndarray) -> np.ndarray:
    """The array itself where torch may view it, else a copy (views of Arrow buffers are read-only)."""
    return array if array.flags.writeable else array.copy()
