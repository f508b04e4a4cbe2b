"""Other symbols than MNIST's digits: each folder of IDX images is one more target domain, rendered as ``mnist`` is.

The images are those of the folder's test file, as it has them. Their digest is part of what clips are made from; where
the folder lies is not.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rac_ray.errors import BadInput
from rac_ray.studies.temporal_shape.digits import parse_idx
from rac_ray.studies.temporal_shape.domains import KNOWN

IMAGES = ("images-idx3-ubyte", "images.idx3-ubyte")
"""One of which is in the name of a file of images."""
TEST = ("t10k", "test")
"""One of which is in the name of a file of test images, where a folder has several."""
NOT_IN_NAMES = ",=/"


@dataclass(frozen=True)
class Symbols:
    """The images of one more target domain."""

    name: str
    """Of the domain: the folder's, in lower case."""
    folder: str
    """Absolute path; all machines of a cluster have to see it."""
    digest: str
    """16 hex digits over all pixels."""

    @classmethod
    def of(cls, folder: str) -> "Symbols":
        """What a folder holds now. Raises BadInput when that is not one file of test images."""
        path = Path(folder).expanduser().absolute()
        return cls(path.name.lower(), str(path), digest_of(read_images(path)))

    def images(self) -> NDArray[np.uint8]:
        """(N, 28, 28) uint8, read once a process. Raises BadInput when the folder is gone or has others by now."""
        return _images(self)


@lru_cache(maxsize=4)
def _images(symbols: Symbols) -> NDArray[np.uint8]:
    images = read_images(Path(symbols.folder))
    if digest_of(images) != symbols.digest:
        raise BadInput(f"the folder of digits {symbols.folder!r} has other images by now than clips were made of")
    return images


def all_symbols(folders: Sequence[str]) -> tuple[Symbols, ...]:
    """One domain per folder. Raises BadInput for names that cannot be a further domain's."""
    found = {}
    for folder in folders:
        symbols = Symbols.of(folder)
        _require_free(symbols.name, folder, (*KNOWN, *found))
        found[symbols.name] = symbols
    return tuple(found.values())


def _require_free(name: str, folder: str, taken: Sequence[str]) -> None:
    if name in taken:
        raise BadInput(f"the folder of digits {folder!r} is to be domain {name!r}; valid: none of {', '.join(taken)}")
    if not name or set(name) & set(NOT_IN_NAMES):
        raise BadInput(f"the folder of digits {folder!r} names a domain {name!r}; valid: names without , = and /")


def read_images(folder: Path) -> NDArray[np.uint8]:
    """Test images (N, 28, 28) uint8 of a folder. Raises BadInput when it has no such file, or more than one."""
    path = _test_file(folder)
    images = parse_idx(path.read_bytes(), str(path))
    if not len(images):
        raise BadInput(f"{path} has no images; valid: one or more")
    return images


def _test_file(folder: Path) -> Path:
    if not folder.is_dir():
        raise BadInput(
            f"there is no folder of digits {str(folder)!r}; valid: folders of IDX images, as EMNIST's, "
            "or '' for MNIST's alone"
        )
    seen = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.is_file()]
    there = [path for path in seen if any(each in path.name for each in IMAGES)]
    test = [path for path in there if any(each in path.name for each in TEST)]
    chosen = there if len(there) == 1 else test
    if len(chosen) != 1:
        names = ", ".join(path.name for path in chosen or there) or "none"
        raise BadInput(
            f"folder {str(folder)!r} is to have one file of test images, as in t10k-{IMAGES[0]}.gz; it has {names}"
        )
    return chosen[0]


def digest_of(images: NDArray[np.uint8]) -> str:
    """16 hex digits over all pixels: two sets with one name but other images do not pass for each other."""
    return hashlib.sha256(str(images.shape).encode() + images.tobytes()).hexdigest()[:16]
