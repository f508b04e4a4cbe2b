"""The symbols that move: MNIST's digits, which lie beside this module, and a reader of IDX image files.

Training and test digits never mix: they are MNIST's own two files.
"""

import gzip
import hashlib
import lzma
import struct
import zlib
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rac_ray.errors import BadInput

DIGIT_SIZE = 28
SYMBOL_SIZE = 14
SHA256 = {
    "train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
}
"""Of the two files, unpacked."""
MNIST = {"source": "mnist", "digest": "ce01199805b7102a"}
"""What data folders and records say of these digits: a digest over all their pixels. A constant, so that nobody loads
them to plan."""


@lru_cache(maxsize=2)
def mnist(pool: str) -> NDArray[np.uint8]:
    """MNIST's ``train`` or ``test`` images, upright, (N, 28, 28) uint8, 0 is background; unpacked once a process.

    Raises BadInput when the file is not the one that was shipped.
    """
    file = files("rac_ray.studies.temporal_shape") / "mnist" / f"{pool}.idx.xz"
    return parse_idx(unpacked(file, SHA256[pool]), str(file))


def unpacked(file: Traversable, sha256: str) -> bytes:
    """Content of an xz file. Raises BadInput when it is another one than this SHA-256 says."""
    try:
        content = lzma.decompress(file.read_bytes())
    except (OSError, EOFError, lzma.LZMAError):
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BadInput(f"{file} is damaged; install rac-ray again")
    return content


def digits_of(split: str) -> NDArray[np.uint8]:
    """Training digits for the splits ``train`` and ``val``, test digits for the others (facts.md 1.1)."""
    return mnist("train" if split in ("train", "val") else "test")


def shrunk(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A 28x28 digit at the 14x14 it has in a clip, by Lanczos resampling (facts.md 1.5)."""
    return np.asarray(Image.fromarray(digit).resize((SYMBOL_SIZE, SYMBOL_SIZE), Image.Resampling.LANCZOS))


def parse_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """Images (N, 28, 28) uint8 of an IDX file, gzipped or plain; BadInput when it is anything else."""
    try:
        raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        magic, count, height, width = struct.unpack(">4i", raw[:16])
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise BadInput(f"{name} is not an IDX image file: {error}") from error
    if magic != 2051 or (height, width) != (DIGIT_SIZE, DIGIT_SIZE) or len(raw) != 16 + count * height * width:
        raise BadInput(
            f"{name} is not a complete IDX file of 28x28 images "
            f"(magic {magic}, {count} images of {height}x{width}, {len(raw)} bytes)"
        )
    return np.frombuffer(raw, np.uint8, offset=16).reshape(count, height, width)
