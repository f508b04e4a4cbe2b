"""The verbs of ``rac-ray data``: generate, verify, preview."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rac_ray.counted import counted
from rac_ray.errors import DONE, FAILED, one_of
from rac_ray.store.storage import Storage
from rac_ray.sweep.options import places, require_some, words

if TYPE_CHECKING:
    from rac_ray.data.dataset import Dataset
    from rac_ray.data.shards import Shard


def generate(
    folder: str,
    *,
    source: str = "",
    train_clips: int = 4000,
    val_clips: int = 1000,
    test_clips: int = 500,
    paired_clips: int = 0,
    digits: str = "",
    factors: str = "",
    spec: str = "released",
    dry_run: bool = False,
) -> int:
    """Make what is missing of a data folder.

    Parameters
    ----------
    folder
        Data folder, or a URI.
    source
        Source domains, as in 2dot,mnist_bg (default: all).
    train_clips
        Clips per domain.
    val_clips
        Clips per domain.
    test_clips
        Clips per domain.
    paired_clips
        Counterfactual clips per domain.
    digits
        Folders of other symbols, IDX images as EMNIST's; each is one more target domain.
    factors
        What further target domains change of the source's own, as in drift,reversed; or all.
    spec
        The released data, or the paper's text, in a folder of its own below: released or paper; or seven shapes: seven.
    dry_run
        Say what would be made, and write nothing.

    Examples
    --------
    rac-ray data generate data/try --train-clips 100 --val-clips 50 --test-clips 50
    rac-ray data generate data/dots --source 2dot --spec paper --dry-run
    """
    from rac_ray.data.generate import generate as make_shards
    from rac_ray.studies.temporal_shape.asked import factors_of
    from rac_ray.studies.temporal_shape.domains import DIRECTIONS
    from rac_ray.studies.temporal_shape.grid import Grid
    from rac_ray.studies.temporal_shape.spec import SPECS
    from rac_ray.studies.temporal_shape.study import TemporalShape, dataset_of
    from rac_ray.studies.temporal_shape.symbols import all_symbols
    from rac_ray.sweep.monitor import say_line
    from rac_ray.sweep.resources import Resources
    from rac_ray.sweep.session import ray_session

    if spec not in SPECS:
        raise one_of("spec", spec, SPECS)
    require_some("source", words(source) if source else None)
    sources = tuple(words(source) or DIRECTIONS)
    grid = Grid(
        sources=sources,
        train_clips=train_clips,
        val_clips=val_clips,
        test_clips=test_clips,
        symbols=all_symbols(words(places(digits))),
        factors=factors_of(sources, Grid.models, words(factors), SPECS[spec]),
        paired_clips=paired_clips,
        spec=SPECS[spec],
    )
    root = TemporalShape().folder(grid, Storage.at(folder))
    root.require_folder()
    dataset = dataset_of(grid)
    dataset.require_own(root)
    if dry_run:
        return _would_make(root, dataset)
    with ray_session(Resources()):
        found = make_shards(root, dataset, say_line)
    print(f"{root.root}: {counted(found.made, 'shard')} made, {counted(found.clips, 'clip', spec=',')}")
    return DONE


def _would_make(root: Storage, dataset: "Dataset") -> int:
    """Print what is missing, with its bytes."""
    from rac_ray.data.generate import to_make

    missing = to_make(root, dataset)
    for part, shards in missing.items():
        print(f"would make {part}: {_sized(shards, dataset)}")
    print(f"{root.root}: missing: {_sized([shard for shards in missing.values() for shard in shards], dataset)}")
    return DONE


def _sized(shards: "Sequence[Shard]", dataset: "Dataset") -> str:
    clips = sum(shard.rows for shard in shards)
    said = f"{counted(len(shards), 'shard')}, {counted(clips, 'clip', spec=',')}"
    return f"{said}, at most {clips * dataset.clip_bytes / 1e6:.1f} MB"


def verify(folder: str) -> int:
    """Recompute everything the manifest claims.

    Parameters
    ----------
    folder
        Data folder, or a URI.

    Examples
    --------
    rac-ray data verify data/try
    rac-ray data verify s3://my-bucket/rac_ray/data/ts_grid-demo
    """
    from rac_ray.data.manifest import verify as problems_of

    problems = problems_of(Storage.at(folder))
    print("\n".join(problems) or f"{folder}: all shards are what the manifest says")
    return FAILED if problems else DONE


def preview(folder: str, *, out: str = "preview") -> int:
    """Draw a contact sheet and a GIF per class and domain.

    Parameters
    ----------
    folder
        Data folder, or a URI.
    out
        Folder for the pictures.

    Examples
    --------
    rac-ray data preview data/try --out data/try-pictures
    """
    from rac_ray.data.preview import write_preview

    files = write_preview(Storage.at(folder), Path(out))
    print(f"{counted(len(files), 'picture')} in {out}")
    return DONE
