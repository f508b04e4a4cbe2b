"""What the clips of a part are, however they are fed: where they lie, and how some of them are loaded.

A source is opened in the worker that trains; what it hands to Ray's tasks is small: a function, and plain values that
name the clips.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rac_ray.data.manifest import clips_root, files_of, is_elsewhere, require_manifest
from rac_ray.data.parquet_rows import named, parts_in
from rac_ray.data.shards import pixels_of
from rac_ray.errors import BadInput
from rac_ray.store.object_store import TRANSIENT
from rac_ray.store.storage import Storage

Found = TypeVar("Found")

Item = dict[str, Any]
"""One clip to load, in plain values; what they are is the source's business."""


@dataclass(frozen=True)
class Loaded:
    """Some clips, as models see them."""

    frames: NDArray[np.uint8]
    """(N, T, C, H, W)"""
    labels: NDArray[np.int64]
    """(N,)"""


class Source(Protocol):
    """The clips of a part."""

    @property
    def clip_ids(self) -> list[str]:
        """Names, in the clips' own order; as many as an epoch has clips."""
        ...

    def items(self, epoch: int, places: Sequence[int]) -> list[Item]:
        """What names the clips at these places of the own order, in an epoch."""
        ...

    @property
    def load(self) -> Callable[[Sequence[Item]], Loaded]:
        """Loads clips; goes to tasks by pickle."""
        ...


class StoredSource(Source, Protocol):
    """The clips of a part that are there before they are asked for."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,)"""
        ...


@dataclass(frozen=True)
class StoredClip:
    """Where a clip lies."""

    clip_id: str
    label: int
    file: str
    row: int


def places(root: Storage, part: str, clip_ids: Collection[str] | None = None) -> list[StoredClip]:
    """The clips of a part's shards in their order, or those of ``clip_ids``.

    Raises BadInput for a part that is not there, and for clips that no shard has.
    """
    manifest = require_manifest(root)
    if part not in manifest["splits"]:
        raise BadInput(f"{root.root!r} has no split {part!r}; valid: {', '.join(manifest['splits'])}")
    folder, mixed = clips_root(root, manifest), is_elsewhere(manifest)
    found = []
    for file in files_of(manifest, [part]):
        columns = ["clip_id", "label", *(("domain", "split") if mixed else ())]
        table = from_shard(folder, file, lambda opened, columns=columns: opened.read(columns))
        parts = parts_in(table) if mixed else [part] * len(table)
        for row, (clip_id, label, of) in enumerate(
            zip(table["clip_id"].to_pylist(), table["label"].to_pylist(), parts, strict=True)
        ):
            if of == part:
                found.append(StoredClip(named(part, clip_id) if mixed else clip_id, label, file, row))
    if clip_ids is None:
        return found
    wanted = set(clip_ids)
    lacking = sorted(wanted - {place.clip_id for place in found} - set(manifest["splits"][part]["left_out"]))
    if lacking:
        raise BadInput(f"{root.root!r} has no clip {lacking[0]!r} in {part!r}")
    return [place for place in found if place.clip_id in wanted]


class Placed(ABC):
    """Names and labels of clips that lie in shards."""

    @abstractmethod
    def found(self) -> list[StoredClip]:
        """Where the clips lie, in their own order."""

    @cached_property
    def places(self) -> list[StoredClip]:
        """The same, looked for when it is first needed."""
        return self.found()

    @property
    def clip_ids(self) -> list[str]:
        return [place.clip_id for place in self.places]

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.array([place.label for place in self.places], np.int64)


@dataclass(frozen=True)
class StoredClips(Placed):
    """Clips of raw pixels in shards, ordered by clip id."""

    root: Storage
    part: str
    """``domain/split``"""
    shape: tuple[int, int, int, int]
    """(T, C, H, W) of a clip."""

    def found(self) -> list[StoredClip]:
        """As the shards say."""
        return sorted(places(self.root, self.part), key=lambda place: place.clip_id)

    @cached_property
    def folder(self) -> Storage:
        """The folder of the files; read from the manifest once."""
        return clips_root(self.root, require_manifest(self.root))

    def items(self, epoch: int, places: Sequence[int]) -> list[Item]:
        """File, row, name and label."""
        return [vars(self.places[place]) for place in places]

    @property
    def load(self) -> Callable[[Sequence[Item]], Loaded]:
        return partial(load_pixels, self.folder, self.part, self.shape)


def from_shard(root: Storage, name: str, act: Callable[[pq.ParquetFile], Found]) -> Found:
    """What ``act`` reads of a shard. Raises BadInput for one that is gone, and for one that is damaged."""
    try:
        return root.read_parquet(name, act)
    except FileNotFoundError:
        raise BadInput(f"shard {root.address(name)} is gone; the verb `run` makes it again") from None
    except (pa.ArrowException, OSError) as error:
        if not is_damage(error):
            raise
        said = " ".join(str(error).split())[:100]
        raise BadInput(f"shard {root.address(name)} is damaged ({said}); the verb `run` makes it again") from None


def is_damage(error: Exception) -> bool:
    """Whether a file's bytes are wrong, as Parquet's and the codecs' checks tell, rather than the disk or network."""
    if isinstance(error, OSError):
        return error.errno is None and not TRANSIENT.search(str(error))
    return True


def load_pixels(root: Storage, part: str, shape: tuple[int, ...], items: Sequence[Item]) -> Loaded:
    """Clips of raw pixels of a part; of each file the row groups that hold any of them are read once.

    Raises BadInput for a shard that is gone or damaged, and when another clip, or one of another size, lies where one
    was.
    """
    frames = np.empty((len(items), *shape), np.uint8)
    by_file: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        by_file.setdefault(item["file"], []).append(place)
    for file, mine in by_file.items():
        read = partial(_fill, frames, [(place, items[place]) for place in mine], file, part)
        from_shard(root, file, read)
    return Loaded(frames, np.array([item["label"] for item in items], np.int64))


def _fill(
    frames: NDArray[np.uint8], wanted: Sequence[tuple[int, Item]], name: str, part: str, file: pq.ParquetFile
) -> None:
    """Copy the clips of one file into their places of ``frames``."""
    firsts = np.cumsum([0, *(file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))])
    by_group: dict[int, list[tuple[int, Item]]] = {}
    for place, item in wanted:
        by_group.setdefault(int(np.searchsorted(firsts, item["row"], "right")) - 1, []).append((place, item))
    for group, mine in by_group.items():
        if group >= file.num_row_groups:
            raise BadInput(
                f"{name} has {firsts[-1]} clips by now, and {mine[0][1]['clip_id']!r} was in row {mine[0][1]['row']}"
            )
        table = file.read_row_group(group, columns=["clip_id", "frames"], use_threads=False)
        pixels, clip_ids = pixels_of(table["frames"].combine_chunks(), frames.shape[1:]), table["clip_id"]
        for place, item in mine:
            row = item["row"] - int(firsts[group])
            require_same(name, item, named(part, clip_ids[row].as_py()))
            frames[place] = pixels[row]


def require_same(name: str, item: Item, found: str) -> None:
    """Raise BadInput when a file has another clip by now than it had."""
    if found != item["clip_id"]:
        raise BadInput(f"{name} row {item['row']} is clip {found!r} by now, and was {item['clip_id']!r}")
