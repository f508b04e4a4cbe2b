"""Frames with instance masks in the released format: folders ``images/`` and ``masks/``, paired by name.

A mask is a picture with one flat colour per diver; the lowest of its colours is the background (facts.md section 4).
The study's 303 frames are at https://doi.org/10.7910/DVN/OXKE6E.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from rac_ray.data.order import torch_permutation
from rac_ray.errors import BadInput, one_of
from rac_ray.segmentation.pairs import paired, pictures_in
from rac_ray.segmentation.settings import VIDEO_PATTERN

IMAGE_FOLDER, MASK_FOLDER = "images", "masks"
HOLDOUTS = ("video", "frames")
"""Ways to hold frames out: whole videos, or single frames as the authors did."""
SPLIT_SEED = 42
AUTHORS_FRAMES, AUTHORS_HELD_OUT = 303, 13
"""Frames in all and held out (facts.md section 4)."""
MOST_DIVERS = 16
"""In a mask; more colours are those of a photograph, or of an edge that was smoothed."""


@dataclass(frozen=True)
class FrameFiles:
    """An image and its mask."""

    image: Path
    mask: Path

    @property
    def name(self) -> str:
        return self.image.stem


@dataclass(frozen=True)
class Labelled:
    """A frame's pixels and divers."""

    image: NDArray[np.uint8]
    """(H, W, 3), RGB."""
    masks: NDArray[np.bool_]
    """(N, H, W), by ascending colour."""
    boxes: NDArray[np.float32]
    """(N, 4): x0, y0, x1, y1, the first and last column and row of each mask, in pixels."""


def find_frames(folder: Path) -> list[FrameFiles]:
    """The frames of a folder by name.

    Raises BadInput for a missing or empty folder, and for images and masks that are no pairs.
    """
    for each in (folder, folder / IMAGE_FOLDER, folder / MASK_FOLDER):
        if not each.is_dir():
            raise BadInput(
                f"there is no folder {str(each)!r}; frames are images in {IMAGE_FOLDER}/ and masks in {MASK_FOLDER}/"
            )
    images, masks = (pictures_in(folder / name) for name in (IMAGE_FOLDER, MASK_FOLDER))
    if not images and not masks:
        raise BadInput(f"{str(folder)!r} has no images")
    return [FrameFiles(image, mask) for image, mask in paired(images, masks)]


def read_frame(frame: FrameFiles) -> Labelled:
    """A frame's pixels, masks and boxes.

    Raises BadInput for files that are no whole pictures or are turned when they are shown, for sizes that differ, and
    for a mask that is none of flat colours on the lowest one.
    """
    image, colours = _pixels(frame.image), _colours(frame.mask)
    if image.shape != colours.shape:
        sizes = [" x ".join(map(str, each.shape[:2])) for each in (image, colours)]
        raise BadInput(f"image {frame.image.name} has {sizes[0]} pixels and its mask {frame.mask.name} {sizes[1]}")
    if wrong := _wrong(colours):
        raise BadInput(f"mask {frame.mask.name} {wrong}")
    masks = instances_of(colours)
    return Labelled(image, masks, boxes_of(masks))


def instances_of(colours: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Masks (N, H, W) of all colours of a picture (H, W, 3) but the lowest, red counting most, in ascending order."""
    codes = _codes(colours)
    return codes == np.unique(codes)[1:, None, None]


def boxes_of(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Boxes (N, 4) of masks (N, H, W), none of them empty: first and last column and row."""
    boxes = []
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes.append((columns[0], rows[0], columns[-1], rows[-1]))
    return np.array(boxes, np.float32).reshape(-1, 4)


def split_frames(
    frames: Sequence[FrameFiles], holdout: str = "video", pattern: str = VIDEO_PATTERN
) -> tuple[list[FrameFiles], list[FrameFiles]]:
    """Frames to train on and frames to validate on, 13 of 303, at least one.

    ``frames`` holds single frames out, as the authors' ``random_split`` with seed 42. ``video`` holds out whole
    recordings (``pattern``), in a random order with the same seed, for as long as they fit, and one at least: frames
    of one dive look alike, and a network that knows some of them is not tested by the others. Raises BadInput for an
    unknown way, and where there is nothing to hold out.
    """
    if holdout not in HOLDOUTS:
        raise one_of("hold-out", holdout, HOLDOUTS)
    if len(frames) < 2:
        raise BadInput(f"{len(frames)} frame cannot be split; valid: 2 or more")
    wanted = max(1, round(len(frames) * AUTHORS_HELD_OUT / AUTHORS_FRAMES))
    if holdout == "frames":
        order = torch_permutation(len(frames), SPLIT_SEED).tolist()
        return [frames[i] for i in order[:-wanted]], [frames[i] for i in order[-wanted:]]
    groups = by_video(frames, pattern)
    if len(groups) < 2:
        raise BadInput(
            f"all {len(frames)} frames are of one video, {next(iter(groups))!r}, by their names; give another "
            "--video-pattern, or --holdout frames"
        )
    names = [list(groups)[place] for place in torch_permutation(len(groups), SPLIT_SEED)]
    val: list[FrameFiles] = []
    for name in names:
        if len(val) + len(groups[name]) <= wanted:
            val += groups[name]
    chosen = set(val or min(groups.values(), key=len))
    return [each for each in frames if each not in chosen], [each for each in frames if each in chosen]


def by_video(frames: Sequence[FrameFiles], pattern: str = VIDEO_PATTERN) -> dict[str, list[FrameFiles]]:
    """Frames by their recording, the first group of ``pattern`` over the whole name, or the name where that is nothing.

    Raises BadInput for a pattern that is no regular expression with a group.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise BadInput(f"video pattern {pattern!r} is no regular expression: {error}") from error
    if not compiled.groups:
        raise BadInput(f"video pattern {pattern!r} has no group in parentheses for the video")
    groups: dict[str, list[FrameFiles]] = {}
    for frame in frames:
        found = compiled.fullmatch(frame.name)
        groups.setdefault((found and found[1]) or frame.name, []).append(frame)
    return dict(sorted(groups.items()))


def _codes(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Colours (H, W, 3) as numbers (H, W), red counting most."""
    return colours.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)


def _wrong(colours: NDArray[np.uint8]) -> str:
    """Why a picture (H, W, 3) is no mask, to be read on from its name; empty for one."""
    codes = _codes(colours)
    background, *divers = np.unique(codes).tolist()
    if not divers:
        return "has one colour only: no diver"
    if len(divers) > MOST_DIVERS:
        return f"has {1 + len(divers):,} colours; valid: one flat colour per diver, no soft edges, no JPEG"
    border = np.concatenate([codes[0], codes[-1], codes[:, 0], codes[:, -1]])
    if (border == background).mean() < 0.5:
        return "does not have its lowest colour as its background, along most of its border: is it inverted?"
    square = np.ones((3, 3), np.uint8)
    if not all(cv2.erode((codes == code).astype(np.uint8), square).any() for code in divers):
        return "has a diver that is nowhere 3 x 3 pixels: a soft edge, or a stray colour?"
    return ""


def _pixels(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3), RGB."""
    return np.asarray(cv2.imdecode(np.frombuffer(_whole(path), np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def _colours(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3), RGB, of a mask whose numbers nothing has changed."""
    stored = np.asarray(cv2.imdecode(np.frombuffer(_whole(path), np.uint8), cv2.IMREAD_UNCHANGED))
    if stored.dtype != np.uint8:
        raise BadInput(f"mask {path.name} has {8 * stored.itemsize} bits a channel; valid: 8")
    if stored.ndim == 3 and stored.shape[2] == 4 and (stored[..., 3] < 255).any():
        raise BadInput(f"mask {path.name} has transparent pixels; valid: colours only")
    return _pixels(path)


def _whole(path: Path) -> bytes:
    """The file of a picture that is whole and upright: one that viewers turn may have a partner that they do not."""
    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as picture:
            orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
            picture.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"{str(path)!r} is no picture, or is damaged") from error
    if orientation > 1:
        raise BadInput(f"{str(path)!r} is turned when it is shown (EXIF orientation {orientation}); save it upright")
    return content
