"""Domains of real clips through the feed's pipeline, and the authors' videos as files."""

from pathlib import Path

import numpy as np
import pytest

from rac_ray.data.generate import generate
from rac_ray.data.jpegs import JpegClips, load_clip
from rac_ray.data.masks import HEIGHT, WIDTH, FrameMasks, MaskTable, rows_of, write_masks
from rac_ray.data.order import Share
from rac_ray.data.source import places
from rac_ray.data.streaming import StreamedBatches
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.dataset import OfficialVideos, find_clip
from rac_ray.studies.diving48.domains import Rendered, domain_frames
from rac_ray.studies.diving48.shape_texture import render
from tests.data.diving_files import write_download
from tests.data.videos import write_video


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Storage:
    """Two test clips in shards, with masks of both in ``masks/``, one file each."""
    folder = write_download(tmp_path_factory.mktemp("official") / "diving48", train=1, test=2, videos=True)
    root = Storage.at(tmp_path_factory.mktemp("shards") / "data")
    generate(root, OfficialVideos.at(folder, clips_per_shard=1))
    soft = np.zeros((1, HEIGHT, WIDTH), np.float32)
    soft[0, 100:200, 150:300] = 0.9
    box = np.array([[150, 100, 300, 200]], np.float32)
    for place in places(root, "test"):
        rows = [row for frame in range(32) for row in rows_of(place.clip_id, frame, soft, [0.9], box)]
        write_masks(root.below("masks"), place.file, rows)
    return root


@pytest.mark.parametrize("domain", ["original", "control", "s1", "s2", "t"])
def test_the_feed_renders_a_domain_in_its_tasks(root: Storage, domain: str) -> None:
    frames = domain_frames(domain, masks=f"{root.root}/masks")
    clips = places(root, "test")
    source = JpegClips(root, lambda: clips, render=frames)
    batches = StreamedBatches(source, (32, 3, 224, 224), Share(2, whole_steps=False))
    ((found, _),) = batches.epoch(0)
    table = MaskTable.read(root, "masks")
    for place, seen in zip(clips, found.numpy(), strict=True):
        masks = table.clip(place.clip_id, 32, HEIGHT, WIDTH)
        item = {"clip_id": place.clip_id, "file": place.file, "row": place.row, "flip": False}
        by_hand = None if domain == "original" else lambda _id, own, masks=masks: render(domain, own, masks)
        np.testing.assert_array_equal(seen, load_clip(root, item, by_hand))
    assert (frames is None) == (domain == "original")


def test_the_codec_is_an_option(root: Storage) -> None:
    clip_id = places(root, "test")[0].clip_id
    plain, coded = (domain_frames("control", masks=f"{root.root}/masks", codec=codec) for codec in (False, True))
    assert isinstance(plain, Rendered)
    assert isinstance(coded, Rendered)
    own = find_clip(root, clip_id)
    changed = np.abs(plain(clip_id, own).astype(int) - coded(clip_id, own))
    assert 0 < changed.mean() < 10


def test_the_control_needs_no_masks(root: Storage) -> None:
    """Nothing of it is edited: clips without masks have it, too."""
    own = find_clip(root, places(root, "test")[0].clip_id)
    control = domain_frames("control")
    assert control is not None
    nobody = [FrameMasks(*[np.zeros((0, HEIGHT, WIDTH), bool)] * 2)] * len(own)
    np.testing.assert_array_equal(control("nobody", own), render("control", own, nobody))


def test_published_videos_count_instead_of_masks(root: Storage, tmp_path: Path) -> None:
    folder = tmp_path / "published/blurbg_04mask"
    folder.mkdir(parents=True)
    write_video(folder / "a_cropped.mp4", 32)
    write_video(folder / "b_cropped.mp4", 33)
    (folder / "c_cropped.mp4").write_bytes(b"")
    frames = domain_frames("s1", masks=f"{root.root}/masks", published=tmp_path / "published")
    assert frames is not None
    own = np.zeros((32, 8, 8, 3), np.uint8)
    found = frames("a", own)
    assert found.shape[0] == 32
    assert found.std() > 5
    with pytest.raises(BadInput, match=r"b_cropped.mp4' has 33 frames; valid: 32"):
        frames("b", own)
    with pytest.raises(BadInput, match=r"c_cropped.mp4' is empty"):
        frames("c", own)
    with pytest.raises(BadInput, match=r"there is no published video '.*nobody_cropped.mp4'"):
        frames("nobody", own)
    control = domain_frames("control", masks=f"{root.root}/masks", published=tmp_path)
    assert isinstance(control, Rendered)


def test_bad_input_is_told(root: Storage) -> None:
    with pytest.raises(BadInput, match="unknown domain of Diving48 'x'; valid: original, control, s1, s2, t"):
        domain_frames("x")
    with pytest.raises(BadInput, match="domain 't' needs masks, or the folder of the published videos"):
        domain_frames("t", codec=True)
    with pytest.raises(BadInput, match="domain 't' needs masks: published videos went through the encoder"):
        domain_frames("t")
    frames = domain_frames("t", masks=f"{root.root}/masks")
    assert frames is not None
    with pytest.raises(BadInput, match="there are no masks of clip 'nobody'"):
        frames("nobody", np.zeros((32, 8, 8, 3), np.uint8))
