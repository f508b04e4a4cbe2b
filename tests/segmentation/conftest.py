"""Drawn divers in the released format, and torchvision as it is needed."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from rac_ray.segmentation.frames import IMAGES, MASKS
from tests.segmentation import torchvision_ops

COLOURS = ((30, 200, 60), (220, 40, 40))
"""Of divers in masks, RGB, in ascending order of red."""


def write_frames(folder: Path, names: list[str], size: tuple[int, int] = (64, 80)) -> Path:
    """Frames with one diver or two, by turns, as JPEG and PNG."""
    (folder / IMAGES).mkdir(parents=True)
    (folder / MASKS).mkdir()
    for number, name in enumerate(sorted(names)):
        image = np.random.default_rng(number).integers(0, 60, (*size, 3), dtype=np.uint8)
        mask = np.zeros((*size, 3), np.uint8)
        for diver in range(1 + number % 2):
            ellipse = ((20 + 35 * diver, 20 + number % 8), (8, 14), 20 * number, 0, 360)
            cv2.ellipse(image, *ellipse, (90, 160, 240), -1)
            cv2.ellipse(mask, *ellipse, COLOURS[diver], -1)
        cv2.imwrite(str(folder / IMAGES / f"{name}.jpg"), image[..., ::-1])
        cv2.imwrite(str(folder / MASKS / f"{name}.png"), mask[..., ::-1])
    return folder


@pytest.fixture(scope="session")
def torchvision() -> None:
    """torchvision, with its operations in plain torch where the compiled ones do not load."""
    if not torchvision_ops.available():
        pytest.skip("torchvision is not installed; make installs it")
    torchvision_ops.supply()
