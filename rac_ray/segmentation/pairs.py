"""Images and their masks, paired by their names.

Names are the same as they stand, or else all but for what tools change: small and capital letters, the way accents are
encoded, zeros before numbers, the word "mask" at an end, a second ending.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from rac_ray.errors import BadInput

PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Endings of pictures, in small or capital letters; other files are left alone."""
MASK_WORD = r"^masks?[ _.-]+|[ _.-]+masks?$"
NAMED = 3
"""How many of many are named in a sentence."""


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder by name, hidden files left aside. Raises BadInput for folders in it."""
    there = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    for path in there:
        if path.is_dir():
            raise BadInput(f"{str(path)!r} is a folder; valid: pictures side by side in {folder.name}/")
    return [path for path in there if path.suffix.lower() in PICTURES]


def paired(images: Sequence[Path], masks: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each image with the mask of its name, in the order of the images.

    Raises BadInput, which names them, for pictures without a partner and for several that could be meant.
    """
    for name_of in (_as_it_stands, _plain):
        by_name = {name_of(mask): mask for mask in masks}
        names = [name_of(image) for image in images]
        if len(set(names)) == len(names) == len(masks) and set(names) == by_name.keys():
            return [(image, by_name[name]) for image, name in zip(images, names, strict=True)]
    for kind, paths in (("images", images), ("masks", masks)):
        _require_distinct(kind, paths)
    alone = {
        "images without a mask of their name": _without(images, masks, _plain),
        "masks without an image of their name": _without(masks, images, _plain),
    }
    raise BadInput("there are " + ", and ".join(f"{what}: {_some(paths)}" for what, paths in alone.items() if paths))


def _as_it_stands(path: Path) -> str:
    return path.stem


def _plain(path: Path) -> str:
    """``dive_7`` of ``Dive_007_mask.png``."""
    name = unicodedata.normalize("NFC", path.stem).casefold()
    while Path(name).suffix in PICTURES:
        name = Path(name).stem
    return re.sub(r"\d+", lambda number: number[0].lstrip("0") or "0", re.sub(MASK_WORD, "", name))


def _require_distinct(kind: str, paths: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(_plain(path), path)
        if other != path:
            raise BadInput(
                f"{kind} {other.name} and {path.name} have the same name, so that their partners are not clear"
            )


def _without(paths: Sequence[Path], partners: Sequence[Path], name_of: Callable[[Path], str]) -> list[Path]:
    there = {name_of(partner) for partner in partners}
    return [path for path in paths if name_of(path) not in there]


def _some(paths: Sequence[Path]) -> str:
    rest = len(paths) - NAMED
    return ", ".join(path.name for path in paths[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
