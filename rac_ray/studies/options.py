"""Values of options, from the text of a command line, and what they do to a grid."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from rac_ray.errors import BadInput
from rac_ray.store.storage import Storage

AnyGrid = TypeVar("AnyGrid")


def with_axes(grid: AnyGrid, axes: Mapping[str, str], asked: Mapping[str, Any]) -> AnyGrid:
    """A grid, which is a dataclass, with the axes that are asked for in place of its own; repeated values count once.

    ``axes`` are names of the grid's fields by options. Raises BadInput for an axis without values.
    """
    changes = {axes[name]: tuple(dict.fromkeys(asked[name])) for name in axes if asked.get(name) is not None}
    for name, axis in axes.items():
        if changes.get(axis) == ():
            raise BadInput(f"--{name.replace('_', '-')} names nothing; give one value or more")
    return replace(grid, **changes)  # pyright: ignore[reportArgumentType]


def words(text: str) -> list[str]:
    """``a,b`` as its parts."""
    return [item.strip() for item in text.split(",") if item.strip()]


def integers(what: str) -> Callable[[str], list[int]]:
    """A parser of ``2,4`` that names what is not an integer."""

    def parse(text: str) -> list[int]:
        return [whole_number(what, word) for word in words(text)]

    return parse


def place(text: str) -> str:
    """A file, folder or URI as one that means the same from any working directory."""
    return Storage.at(text).root


def places(text: str) -> str:
    """``a,b`` with each folder or URI as one that means the same from any working directory."""
    return ",".join(map(place, words(text)))


def whole_number(what: str, text: str) -> int:
    """A text of digits as an integer; BadInput names what is none, underscores and points included."""
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise BadInput(f"{what} {text!r} is not an integer")
    return int(text)
