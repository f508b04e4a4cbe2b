"""Small IDX files of images, as EMNIST's."""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TEST_FILE = "t10k-images-idx3-ubyte.gz"


def idx_bytes(images: NDArray[np.uint8]) -> bytes:
    """Images (N, 28, 28) as an IDX file."""
    return struct.pack(">4i", 2051, *images.shape) + images.tobytes()


def drawn(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """So many images, each of its own."""
    return np.random.default_rng(seed).integers(1, 256, (count, 28, 28), np.uint8)


def folder_of(folder: Path, images: NDArray[np.uint8], name: str = TEST_FILE) -> str:
    """A folder with a file of images; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    content = idx_bytes(images)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return str(folder)
