from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rac_ray.data.manifest import split_entry
from rac_ray.data.preview import first_of_each_class, write_preview
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.dataset import GeneratedClips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec


def test_a_sheet_and_a_gif_per_class_and_domain(tmp_path: Path) -> None:
    root = Storage.at(tmp_path / "data")
    parts = {"2dot/train": 30, "mnist_bg/test": 30, "2dot_long40/test": 30}
    dataset = GeneratedClips(TemporalShapeSpec(), parts)
    splits = {}
    for part, pieces in dataset.parts().items():
        splits[part] = split_entry(pieces, [dataset.write(root, piece, dataset.maker()) for piece in pieces])
    root.write_json("manifest.json", {"identity": dataset.identity(), "splits": splits})
    files = write_preview(root, tmp_path / "out")
    assert len(files) == 1 + 3 * 5
    sheet = np.asarray(Image.open(files[0]).convert("L"))
    assert sheet.std() > 20
    with Image.open(tmp_path / "out" / "mnist_bg-spiral.gif") as gif:
        assert (gif.n_frames, gif.size) == (20, (192, 192))  # type: ignore[attr-defined]
        shown = np.asarray(gif.convert("L"))[::3, ::3]
    with Image.open(tmp_path / "out" / "2dot_long40-line.gif") as gif:
        assert gif.n_frames == 40  # type: ignore[attr-defined]
    clip = first_of_each_class(root)["mnist_bg", "spiral"]
    assert np.abs(shown.astype(int) - clip[0]).max() <= 1


def test_no_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no manifest"):
        write_preview(Storage.at(tmp_path), tmp_path / "out")
