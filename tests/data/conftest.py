"""Data folders: of Temporal Shape, made without Ray, and of drawn videos like Diving48's."""

from pathlib import Path

import pytest

from rac_ray.data.generate import generate
from rac_ray.data.manifest import split_entry
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OfficialVideos
from rac_ray.studies.temporal_shape import dataset as datasets
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec
from tests.data.diving_files import write_download

SHAPE = TemporalShapeSpec()


def dataset_of(**clips: int) -> GeneratedClips:
    return GeneratedClips(SHAPE, {part.replace("__", "/"): n for part, n in clips.items()})


def write_folder(root: Storage, dataset: GeneratedClips) -> None:
    """All shards and the manifest, without Ray."""
    splits = {}
    for part, pieces in dataset.parts().items():
        splits[part] = split_entry(pieces, [dataset.write(root, shard, dataset.maker()) for shard in pieces])
    root.write_json("manifest.json", {"identity": dataset.identity(), "splits": splits})


@pytest.fixture(scope="module")
def dives(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Storage:
    """Ten and four clips in shards of four."""
    folder = write_download(tmp_path_factory.mktemp("official") / "diving48", train=10, videos=True)
    root = Storage.at(tmp_path_factory.mktemp("shards") / "data")
    generate(root, OfficialVideos.at(folder, clips_per_shard=4))
    return root


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Two splits, the first in two shards, with a manifest; made without Ray."""
    monkeypatch.setattr(datasets, "CLIPS_PER_SHARD", 7)
    root, dataset = Storage.at(tmp_path / "data"), dataset_of(**{"2dot__train": 11, "mnist_bg__test": 3})
    write_folder(root, dataset)
    return root
