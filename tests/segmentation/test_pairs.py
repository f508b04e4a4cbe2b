"""Names of images and masks as tools and people leave them: pairs, or a sentence that names what has no partner."""

from pathlib import Path

import pytest

from rac_ray.errors import BadInput
from rac_ray.segmentation.frames import find_frames


def folder_of(root: Path, images: str, masks: str) -> Path:
    for kind, names in (("images", images), ("masks", masks)):
        (root / kind).mkdir(parents=True)
        for name in names.split():
            (root / kind / name).touch()
    return root


@pytest.mark.parametrize(
    ("images", "masks", "pairs"),
    [
        ("b_1.jpg a_1.jpg", "a_1.png b_1.png", "a_1.jpg a_1.png b_1.jpg b_1.png"),
        ("d.jpg d_b.jpg", "d_mask.png d_b_mask.png", "d.jpg d_mask.png d_b.jpg d_b_mask.png"),
        ("d.jpg d_b.jpg", "mask-d.png Masks_d_b.PNG", "d.jpg mask-d.png d_b.jpg Masks_d_b.PNG"),
        ("D_1.jpg a_1.JPG", "d_1.png A_1.png", "D_1.jpg d_1.png a_1.JPG A_1.png"),
        ("v_02.jpg v_10.jpg", "v_10.png v_2.png", "v_02.jpg v_2.png v_10.jpg v_10.png"),
        ("v_0.jpg v_00_1.jpg", "v_000.png v_0_001.png", "v_0.jpg v_000.png v_00_1.jpg v_0_001.png"),
        ("a_1.jpg b_1.jpg", "b_1.jpg.png a_1.jpg.png", "a_1.jpg a_1.jpg.png b_1.jpg b_1.jpg.png"),
        ("v_1.jpg v_01.jpg", "v_01.png v_1.png", "v_01.jpg v_01.png v_1.jpg v_1.png"),
        ("caf\u00e9.jpg z.jpg", "cafe\u0301.png z.png", "caf\u00e9.jpg cafe\u0301.png z.jpg z.png"),
        ("a.jpg Thumbs.db", "a.png .DS_Store ._a.png notes.txt", "a.jpg a.png"),
        ("d.jpg d_mask.jpg", "d_mask.png d_mask_mask.png", None),
    ],
)
def test_pairs(images: str, masks: str, pairs: str | None, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "f", images, masks)
    if pairs is None:
        with pytest.raises(BadInput, match="have the same name"):
            find_frames(folder)
        return
    found = [path.name for frame in find_frames(folder) for path in (frame.image, frame.mask)]
    assert found == pairs.split()


@pytest.mark.parametrize(
    ("images", "masks", "sentence"),
    [
        (
            "a_1.jpg a_2.jpg a_3.jpg",
            "a_1.png a_3.png a_4.png",
            "there are images without a mask of their name: a_2.jpg, and masks without an image of their name: a_4.png",
        ),
        ("a_1.jpg", "", "there are images without a mask of their name: a_1.jpg"),
        (
            "",
            "a.png b.png c.png d.png",
            "there are masks without an image of their name: a.png, b.png, c.png and 1 more",
        ),
        (
            "a.jpg a.png",
            "a.png b.png",
            "images a.jpg and a.png have the same name, so that their partners are not clear",
        ),
        ("v_1.jpg v_3.jpg", "v_1.png v_01.png", "masks v_01.png and v_1.png have the same name, so that"),
    ],
)
def test_what_has_no_partner_is_named(images: str, masks: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        find_frames(folder_of(tmp_path / "f", images, masks))
    assert str(refused.value).startswith(sentence)


def test_pictures_in_folders_of_their_own_are_not_overlooked(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "f", "a.jpg", "a.png")
    (folder / "images/dive").mkdir()
    with pytest.raises(BadInput, match=r"images/dive' is a folder; valid: pictures side by side in images/$"):
        find_frames(folder)
