"""Clips that are to lie in memory, read from their sources once: few by this process, many through Ray Data."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa

from rac_ray.data.ahead import TASK_BYTES, Load
from rac_ray.data.shards import Clips
from rac_ray.data.source import Item, Source

SourceKey = Any
"""Whatever tells sources apart."""
HERE_BYTES = 500_000_000
"""Clips of so many bytes are read by this process, in less time than Ray Data's processes take to start."""


def read_whole(sources: Mapping[SourceKey, Source], shape: tuple[int, ...]) -> Iterator[tuple[SourceKey, Clips]]:
    """All clips (T, C, H, W) of each source, one source after the other."""
    if prod(shape) * sum(len(source.clip_ids) for source in sources.values()) > HERE_BYTES:
        yield from _read_by_tasks(sources, shape)
        return
    for key, source in sources.items():
        made = source.load(source.items(0, range(len(source.clip_ids))))
        yield key, Clips(made.frames.reshape(-1, *shape), made.labels, source.clip_ids)


def _read_by_tasks(sources: Mapping[SourceKey, Source], shape: tuple[int, ...]) -> Iterator[tuple[SourceKey, Clips]]:
    """The same, in pieces that tasks of Ray's read beside each other."""
    size = max(1, TASK_BYTES // prod(shape))
    loads, pieces = [source.load for source in sources.values()], []
    for number, source in enumerate(sources.values()):
        places = range(len(source.clip_ids))
        pieces += [(number, source.items(0, places[first : first + size])) for first in places[::size]]
    read = _through_ray_data(loads, pieces)
    for key, source in sources.items():
        names, done = source.clip_ids, 0
        frames, labels = np.empty((len(names), *shape), np.uint8), np.empty(len(names), np.int64)
        while done < len(names):
            pixels, labelled = next(read)
            upto = done + len(labelled)
            frames[done:upto], labels[done:upto] = pixels.reshape(-1, *shape), labelled
            done = upto
        yield key, Clips(frames, labels, names)


def _through_ray_data(
    loads: Sequence[Load], pieces: Sequence[tuple[int, list[Item]]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pixels and labels of each piece, in order; views of Ray's memory."""
    import ray.data

    quiet_and_ordered()
    rows = ray.data.from_items(
        [{"source": number, "items": items} for number, items in pieces], override_num_blocks=len(pieces)
    )
    make: Any = _read
    read = rows.map_batches(make, fn_args=[list(loads)], batch_size=None, batch_format="pyarrow", num_cpus=0.5)
    options: Any = {"batch_size": None, "batch_format": "pyarrow"}
    for block in read.iter_batches(**options):
        for pixels, labels in zip(block["frames"], block["labels"], strict=True):
            yield np.frombuffer(pixels.as_buffer(), np.uint8), np.array(labels.as_py(), np.int64)


def _read(pieces: pa.Table, loads: Sequence[Load]) -> pa.Table:
    """Each piece as one row: pixels as bytes, a plain column as in shards, and labels."""
    made = [loads[piece["source"]](piece["items"]) for piece in pieces.to_pylist()]
    frames = pa.array([each.frames.reshape(-1).data for each in made], pa.large_binary())
    return pa.table({"frames": frames, "labels": pa.array([each.labels for each in made], pa.list_(pa.int64()))})


def quiet_and_ordered() -> None:
    """Have Ray Data's pipelines of this process keep the order of their rows, and say nothing but warnings."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
