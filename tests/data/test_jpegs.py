"""Clips of JPEG frames from real shards: where they lie, resizing, mirroring, normalisation."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn.functional import interpolate

from rac_ray.data.decoder import decoded_frames
from rac_ray.data.jpegs import DEVIATION, MEAN, load_clip, normalised
from rac_ray.data.source import places
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.feed import official_places


@pytest.fixture(scope="module")
def root(dives: Storage) -> Storage:
    return dives


def test_places_are_in_the_lists_order(root: Storage) -> None:
    train = places(root, "train")
    assert [place.clip_id[-2:] for place in train] == [f"{number:02d}" for number in range(10)]
    assert [(place.file, place.row) for place in train[3:5]] == [
        ("train-00000-of-00003.parquet", 3),
        ("train-00001-of-00003.parquet", 0),
    ]
    val = official_places(root, "val", "authors")
    rest = official_places(root, "train", "authors")
    assert len(val) + len(rest) == 10
    assert not {place.clip_id for place in val} & {place.clip_id for place in rest}
    assert len(official_places(root, "test")) == 4


def test_what_is_not_there_is_told(root: Storage) -> None:
    with pytest.raises(BadInput, match=r"has no split 'valid'; valid: test, train"):
        places(root, "valid")
    with pytest.raises(BadInput, match=r"has no clip 'nobody_00001' in 'test'"):
        places(root, "test", ["nobody_00001"])
    with pytest.raises(BadInput, match=r"unknown validation split 'other'; valid: authors, grouped"):
        official_places(root, "val", "other")


def test_another_clip_in_its_place_is_told(root: Storage) -> None:
    place = places(root, "test")[1]
    item = {**vars(place), "clip_id": "somebody_else", "flip": False}
    with pytest.raises(BadInput, match=rf"row 1 is clip '{place.clip_id}' by now, and was 'somebody_else'"):
        load_clip(root, item)


def test_frames_are_resized_as_tensors_are_and_mirrored_whole(root: Storage) -> None:
    """Against torch's bilinear interpolation without antialiasing, up to the rounding to whole grey levels."""
    place = places(root, "test")[1]
    item = {"clip_id": place.clip_id, "label": 1, "file": place.file, "row": place.row, "flip": False}
    row = pq.read_table(Path(root.root) / place.file).slice(place.row, 1).to_pylist()[0]
    frames = torch.from_numpy(decoded_frames(row["frames"])).permute(0, 3, 1, 2).float()
    expected = interpolate(frames, size=(224, 224), mode="bilinear", align_corners=False, antialias=False)
    found = load_clip(root, item)
    assert (found.shape, found.dtype) == ((32, 3, 224, 224), np.uint8)
    assert (torch.from_numpy(found) - expected).abs().max() <= 1
    np.testing.assert_array_equal(load_clip(root, {**item, "flip": True}), found[..., ::-1])


def test_normalisation_is_imagenets() -> None:
    clips = torch.full((1, 2, 3, 4, 4), 255, dtype=torch.uint8)
    expected = (1 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    torch.testing.assert_close(normalised(clips)[0, 1, :, 2, 3], expected)
