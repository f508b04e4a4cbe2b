"""A study of somebody else's clips: a folder, or a bucket's address, of Parquet files with documented columns.

``clip_id``, ``domain``, ``split`` (train, val, test), ``label`` (0, 1, ...) and ``frames``, the bytes of a clip's
pixels: uint8 in the order (T, C, H, W). ``label_name`` may be there, too. The files are read where they lie; see
``rac_ray.data.parquet_folder``. Loads neither Ray nor torch by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rac_ray.data.dataset import Say
from rac_ray.data.manifest import read_manifest
from rac_ray.errors import BadInput, one_of
from rac_ray.store.storage import Storage
from rac_ray.studies.shard_study import GRID_OPTIONS, ShardGrid, ShardStudy, targets_in
from rac_ray.sweep.options import Option, place


@dataclass(frozen=True, kw_only=True)
class ClipGrid(ShardGrid):
    """A Cartesian grid of trials, and the size of the clips as they were written."""

    clips: str = "clips"
    """Folder or URI of the Parquet files; all machines of a cluster have to see it."""
    channels: int = 3
    """Of a frame: 3 of colour, 1 of grey ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in (1, 3):
            raise BadInput(f"channels is {self.channels}; valid: 1 or 3")

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """(T, C, H, W) of a clip."""
        return (self.num_frames, self.channels, self.frame_size, self.frame_size)


class ClipStudy(ShardStudy):
    """Trials over models, hidden units and seeds, on clips in Parquet files that anybody wrote."""

    place_option = "clips"
    options = (
        Option("clips", place, "folder or URI of Parquet files with clips (default: the preset's)"),
        *GRID_OPTIONS,
    )

    def provide(self, grid: ClipGrid, data: Storage, say: Say) -> None:
        """Check the files and index them, where they are not as they were."""
        from rac_ray.data.parquet_folder import indexed

        folder = Storage.at(grid.clips)
        indexed(data, folder, grid.clip_shape, partial(require_parts, grid, folder), say)

    def _manifest(self, grid: ClipGrid, data: Storage) -> dict[str, Any]:
        from rac_ray.data.parquet_folder import is_index_of

        manifest, folder = read_manifest(data), Storage.at(grid.clips)
        if manifest is None or not is_index_of(manifest, folder, grid.clip_shape):
            raise BadInput(f"data folder {data.root!r} has no index of {folder.root!r} yet; the verb `run` makes it")
        require_parts(grid, folder, manifest["splits"])
        return manifest

    def _identity(self, grid: ClipGrid, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        classes = range(len(manifest["splits"][f"{grid.source}/train"]["labels"]))
        return {**manifest["identity"], "classes": [manifest["label_names"][str(label)] for label in classes]}


def require_parts(grid: ClipGrid, folder: Storage, splits: Mapping[str, Any]) -> None:
    """Raise BadInput unless the parts of an index have what a grid asks for.

    The source has clips to train and validate on; its training clips have the labels 0, 1, ... without a gap, and two
    or more of them; each target has test clips; and no clip that a model is asked about has another label.
    """
    domains = dict.fromkeys(part.partition("/")[0] for part in splits)
    if grid.source not in domains:
        raise one_of("source domain", grid.source, domains)
    for split in ("train", "val"):
        if f"{grid.source}/{split}" not in splits:
            there = ", ".join(part for part in splits if part.startswith(f"{grid.source}/"))
            raise BadInput(f"source domain {grid.source!r} has no clips of split {split!r} ({folder.root} has {there})")
    targets = targets_in(splits, grid.source)
    for target in grid.targets:
        if target not in targets:
            raise one_of("target domain with test clips", target, targets)
    train = splits[f"{grid.source}/train"]["labels"]
    gap = next(label for label in range(len(train) + 1) if str(label) not in train)
    if gap < max(2, len(train)):
        raise BadInput(f"{grid.source}/train has no clip of label {gap}; valid: labels 0, 1 and so on, two or more")
    asked = [f"{grid.source}/val", f"{grid.source}/test", *(f"{target}/test" for target in grid.targets or targets)]
    for part in (part for part in asked if part in splits):
        for label, (file, row) in splits[part]["labels"].items():
            if label not in train:
                raise BadInput(
                    f"{folder.address(file)} row {row}, column 'label': {label} of {part}; "
                    f"valid: 0 to {len(train) - 1}, those of {grid.source}/train"
                )
