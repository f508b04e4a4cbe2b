"""Drawn divers in the released format, and torchvision as it is needed."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from rac_ray.data.manifest import MANIFEST, split_entry
from rac_ray.segmentation.frames import IMAGE_FOLDER, MASK_FOLDER
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OfficialVideos
from rac_ray.sweep.session import RAY_ENVIRONMENT
from tests.data.diving_files import write_download
from tests.segmentation import torchvision_ops

ROOT = Path(__file__).parents[2]
FRAMES = 1
"""Of each clip in shards."""
COLOURS = ((30, 200, 60), (220, 40, 40))
"""Of divers in masks, RGB, in ascending order of red."""


def write_frames(folder: Path, names: list[str], size: tuple[int, int] = (64, 80)) -> Path:
    """Frames with one diver or two, by turns, as JPEG and PNG."""
    (folder / IMAGE_FOLDER).mkdir(parents=True)
    (folder / MASK_FOLDER).mkdir()
    for number, name in enumerate(sorted(names)):
        image = np.random.default_rng(number).integers(0, 60, (*size, 3), dtype=np.uint8)
        mask = np.zeros((*size, 3), np.uint8)
        for diver in range(1 + number % 2):
            ellipse = ((20 + 35 * diver, 20 + number % 8), (8, 14), 20 * number, 0, 360)
            cv2.ellipse(image, *ellipse, (90, 160, 240), -1)
            cv2.ellipse(mask, *ellipse, COLOURS[diver], -1)
        cv2.imwrite(str(folder / IMAGE_FOLDER / f"{name}.jpg"), image[..., ::-1])
        cv2.imwrite(str(folder / MASK_FOLDER / f"{name}.png"), mask[..., ::-1])
    return folder


@pytest.fixture(scope="session")
def torchvision() -> None:
    """torchvision, with its operations in plain torch where the compiled ones do not load."""
    if not torchvision_ops.available():
        pytest.skip("torchvision is not installed; make installs it")
    torchvision_ops.supply()


@pytest.fixture(scope="package")
def segmenting_ray(torchvision: None) -> Iterator[None]:
    """A local Ray of its own whose workers have torchvision as this process has it."""
    import ray

    os.environ |= RAY_ENVIRONMENT
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {
        "env_vars": {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        "worker_process_setup_hook": "tests.segmentation.torchvision_ops.supply",
    }
    with tempfile.TemporaryDirectory(prefix="seg") as folder:
        ray.init(
            "local",
            num_cpus=2,
            object_store_memory=600_000_000,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env=environment,
            _temp_dir=folder,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="package")
def shards(tmp_path_factory: pytest.TempPathFactory, segmenting_ray: None) -> Storage:
    """Two clips and one of ``train``, one of ``test``, of one frame each."""
    root = Storage.at(tmp_path_factory.mktemp("shards") / "data")
    folder = write_download(tmp_path_factory.mktemp("official") / "diving48", 3, 1, videos=True)
    dataset = OfficialVideos.at(folder, clips_per_shard=2, frames=FRAMES)
    splits = {}
    for split, pieces in dataset.parts().items():
        splits[split] = split_entry(pieces, [dataset.write(root, shard, dataset.maker()) for shard in pieces])
    root.write_json(MANIFEST, {"identity": dataset.identity(), "splits": splits})
    return root
