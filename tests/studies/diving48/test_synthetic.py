"""Drawn dives: motions, masks where the figure is, and a download that decodes whole."""

import json
from pathlib import Path

import numpy as np
import pytest

from rac_ray.data.decoder import Decoded, Decoder, decoded_frames
from rac_ray.data.masks import HEIGHT, WIDTH, MaskTable, write_masks
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.lists import CLASSES
from rac_ray.studies.diving48.shape_texture import resized
from rac_ray.studies.diving48.synthetic import DRAWN_CLASSES, IN_VIDEO, MASKS, VIDEO_SIZE, Dive, dives_of, write_dives


def test_motions_are_told_by_time_and_survive_a_mirror() -> None:
    down, up, fro, hop = (Dive("a", label, 7).path() for label in DRAWN_CLASSES)
    assert (np.diff(down[:, 1]) > 0).all()
    np.testing.assert_allclose(down[::-1], up)
    assert np.ptp(fro[:, 1]) == 0
    assert np.abs(np.diff(np.sign(np.diff(fro[:, 0])))).sum() / 2 == 4
    np.testing.assert_allclose(hop[:, 1], hop[::-1, 1])
    for path in (down, up, fro, hop):
        assert (path >= 0).all()
        assert (path < np.array(VIDEO_SIZE[::-1])).all()


def test_frames_have_the_figure_where_its_mask_is(tmp_path: Path) -> None:
    dive = Dive("clip_00001", DRAWN_CLASSES[2], 3)
    kept = np.linspace(0, IN_VIDEO - 1, 32).round().astype(int)
    frames = 255 * np.stack([resized(frame) for frame in dive.frames()[kept]])
    write_masks(Storage.at(tmp_path), "one.parquet", dive.mask_rows())
    masks = MaskTable.read(Storage.at(tmp_path), "one.parquet").clip("clip_00001", 32, HEIGHT, WIDTH)
    for frame, mask in zip(frames, masks, strict=True):
        assert mask.shape.shape[0] == 1
        assert frame[mask.shape[0]].mean() > 190 > 150 > frame[~mask.support[0]].mean()
        assert (mask.shape & ~mask.support).sum() <= 0.01 * mask.shape.sum()


def test_a_download_is_written_once_and_decodes(tmp_path: Path) -> None:
    folder, masks = tmp_path / "official", Storage.at(tmp_path / "masks")
    write_dives(folder, masks, train=5, test=3)
    entries = json.loads((folder / "Diving48_V2_test.json").read_text())
    assert [entry["label"] for entry in entries] == [*DRAWN_CLASSES[:3]]
    assert max(DRAWN_CLASSES) < CLASSES
    assert MaskTable.read(masks, MASKS).clip_ids() == [entry["vid_name"] for entry in entries]
    video = folder / "rgb" / f"{entries[1]['vid_name']}.mp4"
    with Decoder(32) as decoder:
        found = decoder.decode(video)
    assert isinstance(found, Decoded)
    assert (found.frames_in_video, found.height, found.width) == (IN_VIDEO, *VIDEO_SIZE)
    drawn = dives_of("test", 3, 0)[1].frames()[np.linspace(0, IN_VIDEO - 1, 32).round().astype(int)]
    assert np.abs(decoded_frames(found.jpegs).astype(float) - drawn).mean() < 12
    before = video.stat().st_mtime_ns
    write_dives(folder, masks, train=5, test=3)
    assert video.stat().st_mtime_ns == before


@pytest.mark.parametrize("split", ["train", "test"])
def test_clips_are_the_same_every_time_and_differ(split: str) -> None:
    one, again = dives_of(split, 8, 0), dives_of(split, 8, 0)
    assert one == again
    assert len({dive.seed for dive in one}) == 8
    assert len({tuple(dive.frames()[0, 0, 0]) for dive in one}) > 4
