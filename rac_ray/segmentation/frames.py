"""Frames with instance masks in the released format: folders ``images/`` and ``masks/``, aligned by sorted names.

A mask is an RGB picture with one colour per diver; the lowest of its colours is the background (facts.md section 4).
The study's 303 frames are at https://doi.org/10.7910/DVN/OXKE6E.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rac_ray.data.order import torch_permutation
from rac_ray.errors import BadInput, one_of
from rac_ray.segmentation.settings import VIDEO_PATTERN

IMAGE_FOLDER, MASK_FOLDER = "images", "masks"
HOLDOUTS = ("video", "frames")
"""Ways to hold frames out: whole videos, or single frames as the authors did."""
SPLIT_SEED = 42
AUTHORS_FRAMES, AUTHORS_HELD_OUT = 303, 13
"""Frames in all and held out (facts.md section 4)."""


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
    """The frames of a folder by name. Raises BadInput for a missing or empty folder, and for counts that differ."""
    for each in (folder, folder / IMAGE_FOLDER, folder / MASK_FOLDER):
        if not each.is_dir():
            raise BadInput(
                f"there is no folder {str(each)!r}; frames are images in {IMAGE_FOLDER}/ and masks in {MASK_FOLDER}/"
            )
    images, masks = (_files(folder / name) for name in (IMAGE_FOLDER, MASK_FOLDER))
    if len(images) != len(masks):
        raise BadInput(f"{str(folder)!r} has {len(images)} images and {len(masks)} masks; valid: one mask per image")
    if not images:
        raise BadInput(f"{str(folder)!r} has no images")
    return [FrameFiles(image, mask) for image, mask in zip(images, masks, strict=True)]


def read_frame(frame: FrameFiles) -> Labelled:
    """A frame's pixels, masks and boxes.

    Raises BadInput for files that are no pictures, for sizes that differ, for a mask of one colour and for a diver
    one pixel wide or high, of which the network could learn no box.
    """
    image, colours = _pixels(frame.image), _pixels(frame.mask)
    if image.shape != colours.shape:
        sizes = [" x ".join(map(str, each.shape[:2])) for each in (image, colours)]
        raise BadInput(f"image {frame.image.name} has {sizes[0]} pixels and its mask {frame.mask.name} {sizes[1]}")
    masks = instances_of(colours)
    if not len(masks):
        raise BadInput(f"mask {frame.mask.name} has one colour only: no diver")
    boxes = boxes_of(masks)
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise BadInput(f"mask {frame.mask.name} has a diver that is one pixel wide or high: a stray colour?")
    return Labelled(image, masks, boxes)


def instances_of(colours: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Masks (N, H, W) of all colours of a picture (H, W, 3) but the lowest, red counting most, in ascending order."""
    codes = colours.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
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
    """Frames by their recording, the first group of ``pattern`` over the whole name, or the name where it fits not.

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
        groups.setdefault(found[1] if found else frame.name, []).append(frame)
    return dict(sorted(groups.items()))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _pixels(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3), RGB."""
    picture = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise BadInput(f"{str(path)!r} is no picture, or is damaged")
    return np.asarray(picture, np.uint8)
