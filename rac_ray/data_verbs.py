"""What ``rac-ray data generate | verify | preview`` do."""

import argparse
from functools import partial
from pathlib import Path

from rac_ray.errors import DONE, FAILED, one_of
from rac_ray.storage import Storage


def generate(options: argparse.Namespace) -> int:
    """Make what is missing of a data folder."""
    from rac_ray.data.generate import check_folder
    from rac_ray.data.generate import generate as make_shards
    from rac_ray.data.temporal_shape import DIRECTIONS, SPECS
    from rac_ray.studies.temporal_shape.grid import Grid
    from rac_ray.studies.temporal_shape.study import check_sources, dataset_of, digits_of, same_digits
    from rac_ray.sweep.monitor import say_line
    from rac_ray.sweep.session import Resources, ray_session

    if options.spec not in SPECS:
        raise one_of("spec", options.spec, SPECS)
    sources = tuple(options.source or DIRECTIONS)
    check_sources(sources)
    sizes = {name: getattr(options, name) for name in ("train_clips", "val_clips", "test_clips", "paired_clips")}
    grid = Grid(sources=sources, digits=options.digits, spec=SPECS[options.spec], **sizes)
    root = Storage.at(options.folder)
    source, digest = digits_of(grid, root)
    dataset = dataset_of(grid, source, digest)
    check_folder(root, dataset)
    with ray_session(Resources()):
        made = make_shards(root, dataset, partial(same_digits, source, digest), say_line)
    print(f"{root.root}: {made} shards made, {sum(dataset.clips.values())} clips, digits={source}")
    return DONE


def verify(options: argparse.Namespace) -> int:
    """Recompute everything the manifest claims."""
    from rac_ray.data.manifest import verify as problems_of

    problems = problems_of(Storage.at(options.folder))
    print("\n".join(problems) or f"{options.folder}: all shards are what the manifest says")
    return FAILED if problems else DONE


def preview(options: argparse.Namespace) -> int:
    """Draw a contact sheet and a GIF per class and domain."""
    from rac_ray.data.preview import write_preview

    files = write_preview(Storage.at(options.folder), Path(options.out))
    print(f"{len(files)} pictures in {options.out}")
    return DONE
