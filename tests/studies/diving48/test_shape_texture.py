"""Every domain, pixel by pixel, on drawn divers."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import conv2d, interpolate, pad

from rac_ray.data.masks import HEIGHT, WIDTH, FrameMasks
from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage
from rac_ray.studies.diving48.shape_texture import (
    DOMAINS,
    FILL,
    KERNEL,
    SIGMA,
    published_video,
    reencoded,
    render,
    resized,
    write_sheet,
)

COLUMNS = (60, 220, 380)
"""Left edges of three drawn divers."""


def clip(frames: int = 2) -> NDArray[np.uint8]:
    """Divers of 40 x 80 pixels before noise, at the masks' size."""
    made = np.random.default_rng(0).integers(0, 256, (frames, HEIGHT, WIDTH, 3), dtype=np.uint8)
    for x in COLUMNS:
        made[:, 150:230, x : x + 40] = (250, 10, 10)
    return made


def masks_of(count: int) -> FrameMasks:
    """The first ``count`` divers, best first: shapes as drawn, supports five pixels wider."""
    shape, support = np.zeros((2, count, HEIGHT, WIDTH), bool)
    for number, x in enumerate(COLUMNS[:count]):
        shape[number, 150:230, x : x + 40] = True
        support[number, 145:235, x - 5 : x + 45] = True
    return FrameMasks(shape, support)


def torch_blur(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The Gaussian blur of facts.md section 4 written out: reflected border, separable kernel, in floats."""
    at = torch.arange(KERNEL, dtype=torch.float64) - KERNEL // 2
    weights = torch.exp(-0.5 * (at / SIGMA) ** 2)
    weights = weights / weights.sum()
    pixels = torch.from_numpy(frame).double().permute(2, 0, 1).unsqueeze(1)
    pixels = pad(pixels, [KERNEL // 2] * 4, mode="reflect")
    pixels = conv2d(conv2d(pixels, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return pixels.squeeze(1).permute(1, 2, 0).numpy()


def test_the_blur_is_the_papers_truncated() -> None:
    """Level for level, but where the exact value is within float32's rounding of a whole number."""
    frames = clip(1)
    blurred, exact = render("s1", frames, [masks_of(0)])[0], torch_blur(frames[0])
    clear = np.abs(exact - np.rint(exact)) > 1e-3
    assert clear.mean() > 0.99
    assert (blurred == np.floor(exact))[clear].all()
    assert np.abs(blurred - np.floor(exact)).max() <= 1


def steps(domain: str, masks: FrameMasks) -> list[list[int]]:
    """The first columns of a frame of half the width in a domain: 10, 21, 40 and 80 side by side, then 200."""
    frames = np.full((1, HEIGHT, WIDTH // 2, 3), 200, np.uint8)
    frames[:, :, :4] = np.array([10, 21, 40, 80], np.uint8)[:, None]
    return render(domain, frames, [masks])[0, 100, :8].tolist()


MIXED = [10, 12, 18, 25, 35, 50, 70, 110]
"""Of 10, 12.75, 18.25, 25.75, 35.25, 50, 70 and 110, a quarter of one column and three of its neighbour."""


@pytest.mark.parametrize("domain", ["control", "s1", "s2", "t"])
def test_grey_levels_are_truncated_as_the_authors_cast_does_it(domain: str) -> None:
    """Rounded they were 10, 13, 18, 26, 35, 50, 70, 110: 0.25 brighter on average."""
    kept = np.zeros((1, HEIGHT, WIDTH), bool)
    kept[:, :, : 0 if domain == "t" else WIDTH] = True
    assert steps(domain, FrameMasks(kept, kept)) == [[level] * 3 for level in MIXED]


def test_what_is_filled_is_filled_exactly() -> None:
    kept = np.zeros((1, HEIGHT, WIDTH), bool)
    kept[:, :, 2:6] = True
    grey = [[level] * 3 for level in MIXED]
    assert steps("t", FrameMasks(kept, kept)) == [*grey[:2], *[[124, 117, 104]] * 4, *grey[6:]]


def test_a_blurred_background_is_truncated_once() -> None:
    """Levels 10 and 21 in turn come to 15.5 everywhere; the kept column is theirs."""
    frames = np.full((1, HEIGHT, WIDTH, 3), 10, np.uint8)
    frames[:, :, ::2] = 21
    kept = np.zeros((1, HEIGHT, WIDTH), bool)
    kept[:, :, 100] = True
    found = render("s2", frames, [FrameMasks(kept, kept)])[0]
    assert set(found[:, 99].ravel()) | set(found[:, 101].ravel()) == {15}
    assert set(found[:, 100].ravel()) == {21}


def test_every_level_survives_the_way_to_floats_and_back() -> None:
    frames = np.resize(np.arange(256, dtype=np.uint8), (1, HEIGHT, WIDTH, 3))
    assert (render("control", frames, [masks_of(0)]) == frames).all()


def test_s1_keeps_the_two_best_silhouettes_and_blurs_the_rest() -> None:
    frames = clip(1)
    found, mask = render("s1", frames, [masks_of(3)])[0], masks_of(2).shape.any(axis=0)
    assert (found[mask] == frames[0][mask]).all()
    assert (found[~mask] == render("s1", frames, [masks_of(0)])[0][~mask]).all()


def test_s2_keeps_the_support_of_the_two_best() -> None:
    frames = clip(1)
    found, mask = render("s2", frames, [masks_of(3)])[0], masks_of(2).support.any(axis=0)
    assert (found[mask] == frames[0][mask]).all()
    assert (found[~mask] == render("s2", frames, [masks_of(0)])[0][~mask]).all()


def test_t_fills_all_and_keeps_the_rest_sharp() -> None:
    frames = clip(1)
    found, mask = render("t", frames, [masks_of(3)])[0], masks_of(3).support.any(axis=0)
    assert (found[mask] == FILL).all()
    assert (found[~mask] == frames[0][~mask]).all()


def test_without_a_detection_shapes_blur_everything_and_texture_changes_nothing() -> None:
    frames = clip(1)
    assert (render("t", frames, [masks_of(0)]) == frames).all()
    assert (render("s1", frames, [masks_of(0)]) == render("s2", frames, [masks_of(0)])).all()
    assert (render("s1", frames, [masks_of(0)]) != frames).mean() > 0.9


def test_the_blurred_part_still_has_the_smeared_diver() -> None:
    """The third diver is not kept sharp; a red smear of it stays."""
    found = render("s1", clip(1), [masks_of(3)])[0]
    smear, noise = found[190, 400].astype(int), found[330, 250].astype(int)
    assert smear[0] - smear[1] > 40 > abs(noise[0] - noise[1])


def test_control_and_original_are_the_clip() -> None:
    frames = clip()
    for domain in ("control", "original"):
        assert (render(domain, frames, [masks_of(1)] * 2) == frames).all()


def test_frames_of_any_size_are_resized_as_tensors_are() -> None:
    """To the bit, as of that version of PyTorch that is installed."""
    small = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    tensor = torch.from_numpy(small).permute(2, 0, 1)[None].float().div(255)
    expected = interpolate(tensor, size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False, antialias=False)
    np.testing.assert_array_equal(resized(small), expected[0].permute(1, 2, 0).numpy())
    levels = (expected * 255).type(torch.uint8)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(render("control", small[None], [masks_of(0)])[0], levels)


def test_the_codec_loses_detail_and_no_frame() -> None:
    smooth = np.stack([cv2.GaussianBlur(frame, (31, 31), 6) for frame in clip(5)])
    back = reencoded(np.asarray(smooth, np.uint8))
    assert back.shape == smooth.shape
    assert 0 < np.abs(back.astype(int) - smooth).mean() < 6
    coded = render("t", np.asarray(smooth, np.uint8), [masks_of(1)] * 5, codec=True)
    assert np.abs(coded[0, 190, 80].astype(int) - FILL).max() < 12


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown domain of Diving48 's3'; valid: original, control, s1, s2, t"):
        render("s3", clip(1), [masks_of(0)])
    with pytest.raises(BadInput, match="1 frame of masks for a clip of 2"):
        render("s1", clip(2), [masks_of(0)])
    with pytest.raises(BadInput, match="unknown published domain 'control'; valid: s1, s2, t"):
        published_video(tmp_path, "control", "a_00001")
    with pytest.raises(BadInput, match=r"there is no published video '.*blurbg_0mask/a_00001_cropped\.mp4'"):
        published_video(tmp_path, "s2", "a_00001")


def test_the_authors_own_videos_are_found(tmp_path: Path) -> None:
    path = tmp_path / "masked_divers_all_masks/a_00001_cropped.mp4"
    path.parent.mkdir()
    path.touch()
    assert published_video(tmp_path, "t", "a_00001") == path


def test_a_sheet_has_a_row_per_domain(tmp_path: Path) -> None:
    frames = clip(8)
    write_sheet(Storage.at(tmp_path), "sheet.png", frames, [masks_of(2)] * 8, columns=4)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size == (4 * WIDTH // 3, len(DOMAINS) * HEIGHT // 3)
        rows = np.asarray(picture.convert("L"), float).reshape(len(DOMAINS), HEIGHT // 3, -1)
    assert rows[0].std() > 1.5 * rows[2][: HEIGHT // 3 // 4].std()
