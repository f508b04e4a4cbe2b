"""A data folder made without Ray."""

from pathlib import Path

import pytest

from rac_ray.data.manifest import split_entry
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape import dataset as datasets
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec

SHAPE = TemporalShapeSpec()


def dataset_of(**clips: int) -> GeneratedClips:
    return GeneratedClips(SHAPE, {part.replace("__", "/"): n for part, n in clips.items()})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Two splits, the first in two shards, with a manifest; made without Ray."""
    monkeypatch.setattr(datasets, "CLIPS_PER_SHARD", 7)
    root, dataset = Storage.at(tmp_path / "data"), dataset_of(**{"2dot__train": 11, "mnist_bg__test": 3})
    splits = {}
    for part, pieces in dataset.parts().items():
        splits[part] = split_entry(pieces, [dataset.write(root, shard, dataset.maker()) for shard in pieces])
    root.write_json("manifest.json", {"identity": dataset.identity(), "splits": splits})
    return root
