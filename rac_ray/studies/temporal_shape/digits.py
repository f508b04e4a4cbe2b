"""Handwritten digits for the ``mnist`` domains: real MNIST from IDX files, or digits bundled with scikit-learn.

Training and test digits never mix: MNIST's own two files, or a fixed cut of the bundled set, whose later images
come from other writers than its earlier ones. Every result names the source it stands on.
"""

import gzip
import hashlib
import os
import struct
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rac_ray.errors import BadInput, one_of
from rac_ray.store.storage import Storage

DIGIT_SIZE = 28
SYMBOL_SIZE = 14
SOURCES = ("auto", "mnist", "optdigits")
OPTDIGITS_TRAIN = 1437

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "http://yann.lecun.com/exdb/mnist",
)
IDX_FILES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
CHECKSUMS = {
    "train": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "test": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
}
"""SHA-256 of the gzip files that the mirrors serve."""
DOWNLOAD_TIMEOUT_S = 10


@dataclass(frozen=True)
class Digits:
    """Two disjoint pools of upright digit images, each (N, 28, 28) uint8, 0 is background."""

    source: str
    """``mnist`` or ``optdigits``."""
    train: NDArray[np.uint8]
    test: NDArray[np.uint8]

    @property
    def digest(self) -> str:
        """16 hex digits over all pixels: two sets with one name but other images do not pass for each other."""
        digest = hashlib.sha256(self.source.encode())
        for pool in (self.train, self.test):
            digest.update(str(pool.shape).encode() + pool.tobytes())
        return digest.hexdigest()[:16]

    def pool(self, split: str) -> NDArray[np.uint8]:
        """Training digits for the splits ``train`` and ``val``, test digits for the others (facts.md 1.1)."""
        return self.train if split in ("train", "val") else self.test


def shrunk(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A 28x28 digit at the 14x14 it has in a clip, by Lanczos resampling (facts.md 1.5)."""
    return np.asarray(Image.fromarray(digit).resize((SYMBOL_SIZE, SYMBOL_SIZE), Image.Resampling.LANCZOS))


def optdigits() -> Digits:
    """scikit-learn's 1,797 digits of 8x8, enlarged to 20x20 and centred in 28x28 as MNIST's are."""
    from sklearn.datasets import load_digits

    images = np.asarray(cast(Any, load_digits()).images)
    small = (images * (255 / 16)).round().astype(np.uint8)
    large = np.zeros((len(small), DIGIT_SIZE, DIGIT_SIZE), np.uint8)
    for canvas, image in zip(large, small, strict=True):
        canvas[4:24, 4:24] = np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC))
    return Digits("optdigits", large[:OPTDIGITS_TRAIN], large[OPTDIGITS_TRAIN:])


def parse_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """Images (N, 28, 28) uint8 of an IDX file, gzipped or plain; BadInput when it is anything else."""
    try:
        raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        magic, count, height, width = struct.unpack(">4i", raw[:16])
    except (OSError, EOFError, struct.error) as error:
        raise BadInput(f"{name} is not an IDX image file: {error}") from error
    if magic != 2051 or (height, width) != (DIGIT_SIZE, DIGIT_SIZE) or len(raw) != 16 + count * height * width:
        raise BadInput(
            f"{name} is not a complete IDX file of 28x28 images "
            f"(magic {magic}, {count} images of {height}x{width}, {len(raw)} bytes)"
        )
    return np.frombuffer(raw, np.uint8, offset=16).reshape(count, height, width)


def default_mnist_folder() -> Path:
    """$RAC_RAY_MNIST, or the user's cache."""
    return Path(os.environ.get("RAC_RAY_MNIST", Path.home() / ".cache" / "rac_ray" / "mnist"))


def _idx_path(folder: Path, split: str) -> Path | None:
    stem = IDX_FILES[split]
    candidates = (stem, stem + ".gz", stem.replace("-idx", ".idx"))
    return next((folder / name for name in candidates if (folder / name).is_file()), None)


def find_mnist(folder: Path) -> Digits | None:
    """MNIST from the IDX files in ``folder``, gzipped or plain; None when one of the two is missing."""
    paths = {split: _idx_path(folder, split) for split in IDX_FILES}
    pools = {split: parse_idx(path.read_bytes(), str(path)) for split, path in paths.items() if path}
    return Digits("mnist", pools["train"], pools["test"]) if len(pools) == len(paths) else None


def download_mnist(folder: Path, mirrors: Sequence[str] = MIRRORS, checksums: dict[str, str] = CHECKSUMS) -> list[str]:
    """Fetch the two files into ``folder`` from the first mirror that serves the right bytes.

    Returns the reasons for every file that could not be had; an empty list means success. Files with another
    checksum are never kept.
    """
    problems = []
    for split, stem in IDX_FILES.items():
        if _idx_path(folder, split) is not None:
            continue
        for mirror in mirrors:
            url = f"{mirror}/{stem}.gz"
            try:
                with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_S) as response:
                    content = response.read()
            except OSError as error:
                problems.append(f"{url}: {error}")
                continue
            if hashlib.sha256(content).hexdigest() != checksums[split]:
                problems.append(f"{url}: wrong checksum")
                continue
            Storage.at(folder).write_bytes(f"{stem}.gz", content)
            break
    return [] if all(_idx_path(folder, split) for split in IDX_FILES) else problems


def load_digits(source: str = "auto", folder: Path | None = None, mirrors: Sequence[str] = MIRRORS) -> Digits:
    """The digits of ``source``: ``mnist``, ``optdigits``, or ``auto`` (MNIST if it can be had, else optdigits).

    Raises BadInput for an unknown source, and for ``mnist`` without files or network.
    """
    if source not in SOURCES:
        raise one_of("digits source", source, SOURCES)
    if source == "optdigits":
        return optdigits()
    folder = folder or default_mnist_folder()
    found = find_mnist(folder)
    if found is None:
        problems = download_mnist(folder, mirrors)
        found = find_mnist(folder) if not problems else None
        if found is None and source == "mnist":
            raise BadInput(
                f"digits 'mnist' need {' and '.join(IDX_FILES.values())} (.gz) in {folder}, and no mirror gave them "
                f"({'; '.join(problems)}); valid: auto, optdigits, or put the files there"
            )
    return found or optdigits()


def same_digits(source: str, digest: str) -> Digits:
    """The digits of a source; BadInput when they are other ones here than a folder was made from."""
    digits = loaded_digits(source)
    if digits.digest != digest:
        raise BadInput(f"the digits {source!r} here are other ones than the data folder was made from; choose another")
    return digits


@lru_cache(maxsize=4)
def loaded_digits(source: str) -> Digits:
    """Digits as ``load_digits`` finds them, once a process."""
    return load_digits(source)
